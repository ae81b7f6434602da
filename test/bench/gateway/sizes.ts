// What is moved by one operation, in bytes.
export const SMALL = 1_024;
export const LARGE = 1_048_576;
/** A WebSocket message of 1 KB, unmasked, so that the echo is a frame as a server sends it (RFC 6455, 5.2). */
export const frame = Buffer.concat([Buffer.from([0x82, 126, 1_024 >> 8, 1_024 & 0xff]), Buffer.alloc(1_024, "f")]);
