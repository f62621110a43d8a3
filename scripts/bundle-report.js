// Bundles the code that runs inside a report's page (Observable Plot included) into one file that the report writer inlines.
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const root = new URL('..', import.meta.url);

/** @param {string} outfile where the bundle goes */
export async function bundleReport(outfile) {
  await build({
    entryPoints: [fileURLToPath(new URL('lib/report/client/main.ts', root))],
    outfile,
    bundle: true,
    minify: true,
    format: 'iife',
    target: 'es2022',
    // The file is inlined into HTML: esbuild then writes no literal that would close the script element.
    platform: 'browser',
    charset: 'utf8',
    legalComments: 'none',
    logLevel: 'warning',
  });
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  await bundleReport(fileURLToPath(new URL('dist/report/client.js', root)));
}
