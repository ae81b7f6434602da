// Staying known to a control plane that forgets.
import { expect, test } from "vitest";
import { houseForEachTest } from "./testing/house.ts";
import { vmTask, wire } from "./testing/task.ts";

const house = houseForEachTest();

test("a delegate that was forgotten registers again and goes on", async () => {
  house().runner();
  await house().delegate();
  house().controlPlane.forgetDelegates();
  const task = vmTask();
  house().controlPlane.offer(wire(task));
  await house().controlPlane.answered(task.id);
  expect(house().controlPlane.to("POST", "/register").length).toBeGreaterThan(1);
});

test("a token that is refused is made anew", async () => {
  house().runner();
  await house().delegate();
  const old = house().controlPlane.requests[0]?.token.jti;
  house().controlPlane.intercept = ({ token }) => (token.jti === old ? 401 : undefined);
  const task = vmTask();
  house().controlPlane.offer(wire(task));
  await house().controlPlane.answered(task.id);
  expect(house().controlPlane.to("PUT", "/acquire").at(-1)?.token.jti).not.toBe(old);
  expect(house().controlPlane.to("POST", "/register")).toHaveLength(1);
});
