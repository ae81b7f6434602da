// What a test of the whole delegate needs around it: a control plane, a Redis, and the means to start delegates and runners.
import { Answer, type TaskResponse } from "@gitspaces/contracts";
import { afterAll, afterEach, beforeAll, beforeEach } from "vitest";
import { startDelegate } from "../delegate.ts";
import { TestControlPlane } from "./control-plane.ts";
import { startRedis, type TestRedis } from "./redis.ts";
import { type Handler, startRunner, type TestRunner } from "./runner.ts";
import { makeSettings, quiet, type TestSettings } from "./settings.ts";

export class House {
  readonly cleanup = new AsyncDisposableStack();
  readonly controlPlane: TestControlPlane;
  readonly redisUrl: string;

  constructor(controlPlane: TestControlPlane, redisUrl: string) {
    this.controlPlane = this.cleanup.use(controlPlane);
    this.redisUrl = redisUrl;
  }

  settings(slots = 16): TestSettings {
    return this.cleanup.use(makeSettings({ controlPlaneUrl: this.controlPlane.url, redisUrl: this.redisUrl, slots }));
  }

  async delegate(prepared: TestSettings = this.settings(), log = quiet): Promise<AsyncDisposable> {
    return this.cleanup.use(await startDelegate(prepared.config, log, new AbortController().signal));
  }

  runner(handle?: Handler): TestRunner {
    return this.cleanup.use(startRunner(this.redisUrl, handle));
  }
}

/** A new house for every test of the file; Redis is shared by all of them. Everything is closed at the end. */
export function houseForEachTest(): () => House {
  let redis: TestRedis;
  let house: House;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis[Symbol.asyncDispose]());
  beforeEach(async () => {
    house = new House(await new TestControlPlane().open(), redis.url);
  });
  afterEach(() => house.cleanup.disposeAsync());
  return () => house;
}

export function response(text: string): TaskResponse & { data: Answer } {
  const read = JSON.parse(text) as TaskResponse;
  return { ...read, data: Answer.parse(read.data) };
}
