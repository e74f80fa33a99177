/** The browser bundle of the API page: importing it `with { type: 'file' }` gives its path, also inside the binary. */
declare module '*/standalone.js' {
  const path: string;
  export default path;
}
