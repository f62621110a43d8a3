/** Links of the Markdown files of a package that lead to no file or folder of it, each with its file. */
export function brokenLinks(files, read) {
  const markdown = files.filter((file) => file.endsWith('.md'));
  return markdown.flatMap((file) =>
    [...read(file).matchAll(/\]\(((?!https?:|#)[^)\s#]+)[^)]*\)/g)]
      .map(([, target]) => new URL(target, `file:///${file}`).pathname.slice(1).replace(/\/$/, ''))
      .filter((target) => !files.some((other) => other === target || other.startsWith(`${target}/`)))
      .map((target) => `${file} → ${target}`),
  );
}
