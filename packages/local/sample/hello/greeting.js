/** What is said to somebody; to the world when nobody is named. */
export function greeting(name) {
  return `Hello, ${name || "world"}!`;
}
