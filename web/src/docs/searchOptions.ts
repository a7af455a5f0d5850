/** @file What the search looks at, the same where the index is made and where it is read. */
export const searchOptions = {
  fields: ["title", "heading", "text"],
  storeFields: ["title", "heading"],
  searchOptions: { boost: { title: 3, heading: 4 } },
};
