// The page: buttons, files and messages. stream.js sends the audio, transcript.js holds the text.
import { Picture } from "./picture.js";
import { Stream } from "./stream.js";
import { Transcript } from "./transcript.js";

const HOLD_MS = 400; // releasing a press that lasted longer stops the stream
const at = (id) => document.getElementById(id);
const token = new URLSearchParams(location.hash.slice(1)).get("token");
const transcript = new Transcript(at("finals"), token);
const picture = new Picture(at("picture"), at("level"));
let stream = null;
let stopping = false;
let recordedSeconds = 0; // of all recordings before the current one
let pressedAt = 0;
let isHeld = false; // the button or key is down

function showStatus(message, isError = false) {
  at("status").textContent = message;
  at("status").classList.toggle("error", isError);
}

function showPartial(committed, tail) {
  at("committed").textContent = committed;
  at("tail").textContent = tail;
  refresh();
}

function refresh() {
  const hasText = transcript.utterances.length > 0;
  at("empty").hidden = hasText || at("committed").textContent + at("tail").textContent !== "";
  ["save-txt", "save-srt", "clear"].forEach((id) => (at(id).disabled = !hasText));
}

function add(words) {
  transcript.add(words, recordedSeconds);
  showPartial("", "");
}

function showTalking(isTalking) {
  at("talk").toggleAttribute("data-on", isTalking);
  at("talk-label").textContent = isTalking ? "Stop" : "Talk";
}

async function start() {
  const started = new Stream(token, picture, {
    partial: showPartial,
    result: (words, closed) => {
      add(words);
      transcript.close(closed, recordedSeconds);
    },
    dropped: (count) => showStatus(`Listening. ${count} blocks of audio lost: the connection is too slow.`, true),
    end: (reason) => end(started, reason),
  });
  stream = started;
  showTalking(true);
  showStatus("Starting…");
  try {
    if (!navigator.mediaDevices) throw new Error("browsers allow the microphone on https:// or localhost only");
    await started.start();
    showStatus("Listening.");
    if (stopping) started.stop();
  } catch (error) {
    started.close();
    end(started, error.name === "NotAllowedError" ? "the browser was not allowed to use the microphone" : error.message);
  }
}

function stop() {
  if (!stream || stopping) return;
  stopping = true;
  showStatus("Finishing…");
  if (stream.worklet) stream.stop();
}

function end(ended, reason) {
  if (stream !== ended) return;
  recordedSeconds += ended.seconds;
  stream = null;
  stopping = false;
  showTalking(false);
  showPartial("", "");
  showStatus(reason ? `Stopped: ${reason}.` : "Ready.", Boolean(reason));
  keepSubtitles();
}

function press() {
  isHeld = true;
  pressedAt = performance.now();
  if (stream) stop();
  else start();
}

function release() {
  if (!isHeld) return;
  isHeld = false;
  if (stream && performance.now() - pressedAt > HOLD_MS) stop();
}

at("talk").addEventListener("pointerdown", (event) => {
  if (event.button !== 0) return;
  at("talk").setPointerCapture(event.pointerId);
  press();
});
at("talk").addEventListener("pointerup", release);
at("talk").addEventListener("pointercancel", release);
window.addEventListener("blur", release); // the page does not see a release outside it
at("talk").addEventListener("contextmenu", (event) => event.preventDefault());
at("talk").addEventListener("click", (event) => {
  if (event.detail === 0 && performance.now() - pressedAt > 50) press(); // assistive technology clicks without a pointer event
});
const isTalkKey = (event) => event.key === " " && !event.target.closest("button:not(#talk)");
document.addEventListener("keydown", (event) => {
  if (!isTalkKey(event)) return;
  event.preventDefault(); // a focused button would click as well
  if (!event.repeat) press();
});
document.addEventListener("keyup", (event) => {
  if (!isTalkKey(event)) return;
  event.preventDefault();
  release();
});

async function transcribeFile(file) {
  if (stream) return showStatus("Stop talking before you add a file.", true); // its words and times would mix with yours
  showStatus(`Transcribing ${file.name}…`);
  const form = new FormData();
  form.append("file", file);
  form.append("model", at("model").textContent);
  form.append("response_format", "verbose_json");
  ["word", "segment"].forEach((unit) => form.append("timestamp_granularities[]", unit));
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  try {
    const response = await fetch("/v1/audio/transcriptions", { method: "POST", body: form, headers });
    const answer = await response.json();
    if (!response.ok) throw new Error(answer.error.message);
    showFile(answer);
    showStatus(answer.text ? `${file.name}: done.` : `${file.name}: no speech found.`);
  } catch (error) {
    showStatus(`${file.name}: ${error.message}`, true);
  }
}

function showFile({ words, segments, duration }) {
  for (const { start, end } of segments) {
    const inside = words.filter((word) => word.start >= start - 1e-6 && word.end <= end + 1e-6);
    add(inside.map((word) => ({ ...word, conf: word.confidence })));
  }
  recordedSeconds += duration;
  keepSubtitles();
}

// While the server is there, so that they can be saved later without it.
function keepSubtitles() {
  if (transcript.utterances.length) transcript.toSrt(recordedSeconds).catch(() => {}); // saving asks again
}

async function saveSrt() {
  try {
    save("transcript.srt", await transcript.toSrt(recordedSeconds));
  } catch (error) {
    showStatus(`Subtitles need the server: ${error.message}. You can still save the text.`, true);
  }
}

const drop = at("drop");
at("file").addEventListener("change", async () => {
  for (const file of at("file").files) await transcribeFile(file);
  at("file").value = "";
});
drop.addEventListener("click", () => at("file").click());
for (const name of ["dragenter", "dragover"])
  document.addEventListener(name, (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
for (const name of ["dragleave", "drop"]) document.addEventListener(name, () => drop.classList.remove("over"));
document.addEventListener("drop", async (event) => {
  event.preventDefault();
  for (const file of event.dataTransfer.files) await transcribeFile(file);
});

function save(name, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}

at("save-txt").addEventListener("click", () => save("transcript.txt", transcript.toText()));
at("save-srt").addEventListener("click", saveSrt);
at("clear").addEventListener("click", () => {
  transcript.clear();
  refresh();
});

at("host").textContent = location.host;
fetch("/page/settings.json").then(async (response) => {
  const settings = await response.json();
  at("model").textContent = settings.model;
  transcript.doubtful = settings.doubtful;
});
refresh();
