/** Where nginx's links stand, below the web root. */
export const LINKS = '/nginx/links'
