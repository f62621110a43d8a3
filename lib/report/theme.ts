/** Colours of a plot. The page passes CSS variables, so that one drawing serves light and dark; a saved SVG gets fixed colours on white. */
export interface Theme {
  readonly ink: string;
  readonly muted: string;
  readonly grid: string;
  readonly background: string;
  /** Colour of series `index` of `count`. */
  series(index: number, count: number): string;
}

/** Eight hues that stay apart under the common colour-vision deficiencies (the first three by lightness too), ≥ 4.5 : 1 on white. */
export const lightSeries = [
  '#0a66c2',
  '#c2410c',
  '#0f766e',
  '#9333ea',
  '#8a6100',
  '#be185d',
  '#4d7c0f',
  '#57534e',
] as const;

/** The same hues, ≥ 4.5 : 1 on the dark background. */
export const darkSeries = [
  '#63b3ff',
  '#ff9f5f',
  '#3ad6b8',
  '#cf9bff',
  '#e6c04a',
  '#ff86b5',
  '#a5d553',
  '#c9c4bf',
] as const;

/** Hues for more runs than have one of their own. */
const manySeries = (index: number, count: number, lightness: string) =>
  `hsl(${Math.round((360 * index) / count)}, 65%, ${lightness})`;

/** Lightness of `manySeries`: ≥ 3 : 1 on white, and on the dark background. */
export const manyLightness = { light: '34%', dark: '68%' } as const;

export const lightTheme: Theme = {
  ink: '#1c2024',
  muted: '#5b6570',
  grid: '#e3e6ea',
  background: '#ffffff',
  series: (index, count) =>
    count <= lightSeries.length ? lightSeries[index] : manySeries(index, count, manyLightness.light),
};

/** Follows the style sheet of the page. */
export const pageTheme: Theme = {
  ink: 'var(--ink)',
  muted: 'var(--muted)',
  grid: 'var(--grid)',
  background: 'var(--card)',
  series: (index, count) =>
    count <= lightSeries.length ? `var(--series-${index})` : manySeries(index, count, 'var(--many)'),
};
