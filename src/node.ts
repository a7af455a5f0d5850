/** @file The part of the library that needs Node: the native engine, and data sets and models from files. */

export { FETCH_NAMES, type FetchName, type FetchOptions, fetchDataset } from "./data/fetch.ts";
export { DATASET_NAMES, type DatasetName, type LoadOptions, loadDataset, loadSamples } from "./data/files.ts";
export { type NodeEngineOptions, nodeEngine } from "./engine/node.ts";
