import assert from "node:assert/strict";
import { test } from "node:test";
import { greeting } from "./greeting.js";

test("somebody is greeted by name", () => assert.equal(greeting("Ada"), "Hello, Ada!"));
test("without a name the world is greeted", () => assert.equal(greeting(null), "Hello, world!"));
