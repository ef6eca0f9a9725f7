// (A placeholder: whoever wrote a format.ts before the skeleton was committed may write it again; the ledger uses text.ts.)
export type { Num } from "./trace";
export * from "./text";
