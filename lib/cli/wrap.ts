import type { TextStream } from './context.ts';

/** For a stream that is no terminal, or one that does not say how wide it is. */
const USUAL = 80;

/**
 * Lines as a terminal should show them: it would break those longer than itself in mid-word, so they are broken at spaces, and go on
 * indented. Elsewhere they stay as they are.
 *
 * @param hang columns by which a broken line is indented.
 */
export function wrapped(text: string, stream: TextStream, hang = 2): string {
  if (!stream.isTTY) return text;
  // Some terminals say they have 0 columns.
  const room = Math.max(20, (stream.columns || USUAL) - 1);
  return text
    .split('\n')
    .map((line) => wrappedLine(line, room, hang))
    .join('\n');
}

function wrappedLine(line: string, room: number, hang: number): string {
  if ([...line].length <= room) return line;
  const lines = [''];
  // Spaces stay with the word after them: they part columns.
  for (const word of line.match(/ *[^ ]+/g) ?? []) {
    const longer = lines[lines.length - 1] + word;
    if ([...longer].length <= room || lines[lines.length - 1].trim() === '') lines[lines.length - 1] = longer;
    else lines.push(' '.repeat(hang) + word.trimStart());
  }
  return lines.join('\n');
}
