/** Files whose address a bundler gives. */
declare module "*?url" {
  const url: string;
  export default url;
}
