// What is moved by one operation, in bytes.
export const SMALL = 1_024;
export const LARGE = 1_048_576;
export const FRAME = 1_024;
