import { expect, test } from "vitest";
import { median, percentile } from "./figures.ts";

test("the median is the middle measurement, wherever it was taken", () => {
  expect(median([9, 1, 5])).toBe(5);
  expect(median([4, 1, 3, 2])).toBe(2);
});

test("the 99th percentile of a hundred is the last but one", () => {
  const values = Array.from({ length: 100 }, (_, index) => index + 1);
  expect(percentile(values, 0.99)).toBe(99);
  expect(percentile(values, 1)).toBe(100);
});

test("nothing measured is an error, not a zero", () => {
  expect(() => median([])).toThrow("nothing was measured");
});
