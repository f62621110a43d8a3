/** The version in package.json, which a bundle does not have at hand; a test holds the two together. */
export const version: string = '0.1.0';
