// What counts as use: bytes that people move, by source and port; an open window that only keeps itself alive is none.
import { expect, test } from "vitest";
import { IDLE_BYTES, LiveConnections } from "./live-connections.ts";

const place = { gitspaceId: "hello-k3v9x2", generation: 1, port: 8089, session: undefined };
const wire = () => ({ bytesRead: 0, bytesWritten: 0 });

test("bytes add up by source and port, and are told once", () => {
  const live = new LiveConnections();
  const [page, socket, shell] = [wire(), wire(), wire()];
  live.open({ ...place, socket: page });
  live.open({ ...place, source: "websocket", socket });
  live.open({ ...place, source: "ssh", port: 8022, socket: shell });
  page.bytesWritten += 100;
  socket.bytesRead += 5_000;
  socket.bytesWritten += 1_000;
  shell.bytesRead += 10;
  expect(live.takeActivity()).toEqual([
    { gitspaceId: "hello-k3v9x2", generation: 1, source: "http", port: 8089, bytes: 100, active: true },
    { gitspaceId: "hello-k3v9x2", generation: 1, source: "websocket", port: 8089, bytes: 6_000, active: true },
    { gitspaceId: "hello-k3v9x2", generation: 1, source: "ssh", port: 8022, bytes: 10, active: false },
  ]);
  expect(live.takeActivity()).toEqual([]);
});

test.each(["websocket", "ssh"] as const)("a %s that only keeps itself alive is counted, and is no use", (source) => {
  const live = new LiveConnections();
  const socket = wire();
  live.open({ ...place, source, socket });
  socket.bytesRead += IDLE_BYTES - 1;
  expect(live.takeActivity()).toMatchObject([{ bytes: IDLE_BYTES - 1, active: false }]);
  socket.bytesRead += IDLE_BYTES;
  expect(live.takeActivity()).toMatchObject([{ bytes: IDLE_BYTES, active: true }]);
});

test("twenty idle windows are as idle as one", () => {
  const live = new LiveConnections();
  for (const socket of Array.from({ length: 20 }, wire)) {
    live.open({ ...place, source: "websocket", socket });
    socket.bytesRead += IDLE_BYTES / 2;
  }
  expect(live.takeActivity()).toMatchObject([{ bytes: 10 * IDLE_BYTES, active: false }]);
});

test("a request that was answered is use, however small; one that goes on is while it moves", () => {
  const live = new LiveConnections();
  const socket = wire();
  const stream = live.open({ ...place, socket });
  socket.bytesWritten += 1;
  expect(live.takeActivity()).toMatchObject([{ bytes: 1, active: true }]);
  socket.bytesWritten += 1;
  expect(live.takeActivity()).toMatchObject([{ bytes: 1, active: false }]);
  socket.bytesWritten += 2;
  stream[Symbol.dispose]();
  expect(live.takeActivity()).toMatchObject([{ bytes: 2, active: false }]);
});

test("what nobody answered is no activity: polls of a port where nothing listens, editors that come back in vain", () => {
  const live = new LiveConnections();
  const socket = wire();
  const attempt = live.open({ ...place, socket });
  socket.bytesWritten += 10_000;
  attempt.failed();
  attempt[Symbol.dispose]();
  expect(live.takeActivity()).toEqual([]);
});
