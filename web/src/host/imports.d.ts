declare module "*?packed" {
  /** The file with gzip, in base64. */
  const text: string;
  export default text;
}
