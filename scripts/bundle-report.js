// Bundles the code that runs inside a report's page (Observable Plot included) into one file, which the report writer inlines.
// Usage: node scripts/bundle-report.js [outfile]
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const path = (relative) => fileURLToPath(new URL(`../${relative}`, import.meta.url));

await build({
  entryPoints: [path('lib/report/client/main.ts')],
  outfile: process.argv[2] ?? path('dist/report/client.js'),
  bundle: true,
  minify: true,
  format: 'iife',
  platform: 'browser',
  target: 'es2022',
  charset: 'utf8',
  legalComments: 'none',
  logLevel: 'warning',
});
