// Fills the board in: each "result" event of the async instance's stream is one row's result.

const board = document.querySelector("#board");
const button = board.querySelector("#check");
const progress = board.querySelector("#progress");
const rows = new Map(
  [...board.querySelectorAll("[data-id]")].map((row) => [Number(row.dataset.id), row]),
);

let source = null;
let total = 0;
let arrived = 0;

button.hidden = false;
button.addEventListener("click", () => (source ? stop("Stopped") : start()));

function start() {
  total = arrived = 0;
  rows.forEach((row) => show(row, { label: "waiting", kind: "waiting" }));
  button.textContent = "Stop";
  progress.textContent = "Connecting…";
  source = new EventSource(board.dataset.checkUrl);

  source.addEventListener("start", (event) => {
    ({ total } = JSON.parse(event.data));
    progress.textContent = `Checking ${total}…`;
  });
  source.addEventListener("result", (event) => {
    const result = JSON.parse(event.data);
    arrived += 1;
    progress.textContent = `${arrived} of ${total} checked`;
    const row = rows.get(result.id); // absent if it was added after this page was rendered
    if (row) {
      show(row, {
        label: result.status === null ? "failed" : `${result.status} ${result.ok ? "OK" : "error"}`,
        kind: result.ok ? "up" : "down",
        ms: `${result.ms} ms`,
        error: result.error,
      });
    }
  });
  source.addEventListener("done", () => stop("Finished"));
  // An EventSource connects again by itself, which would check everything again.
  source.addEventListener("error", () =>
    stop(total ? "The connection was lost" : "Failed to start: are you still logged in?"),
  );
}

function stop(reason) {
  source.close();
  source = null;
  button.textContent = "Check all";
  progress.textContent = total ? `${reason}: ${arrived} of ${total} checked` : reason;
  board.querySelectorAll(".badge.waiting").forEach((badge) => {
    show(badge.closest("[data-id]"), { label: "not checked", kind: "" });
  });
}

function show(row, { label, kind, ms = "", error = "" }) {
  const status = row.querySelector("[data-status]");
  status.textContent = label;
  status.className = `badge ${kind}`.trim();
  row.querySelector("[data-ms]").textContent = ms;
  const message = row.querySelector("[data-error]");
  message.textContent = error ?? "";
  message.hidden = !error;
}
