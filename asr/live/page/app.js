// The page: buttons, files and messages. Sound is stream.js's, text transcript.js's.
import { Picture } from "./picture.js";
import { Stream } from "./stream.js";
import { Transcript } from "./transcript.js";

const HELD_MS = 400; // a press that lasts longer is held: letting go stops
const at = (id) => document.getElementById(id);
const token = new URLSearchParams(location.hash.slice(1)).get("token");
const transcript = new Transcript(at("finals"));
const picture = new Picture(at("picture"), at("level"));
let stream = null;
let stopping = false;
let heard = 0; // seconds of all recordings before this one
let pressedAt = 0;
let isHeld = false; // the button or key is down

function say(message, isError = false) {
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
  transcript.add(words, heard);
  showPartial("", "");
}

function showTalking(isTalking) {
  at("talk").toggleAttribute("data-on", isTalking);
  at("talk-label").textContent = isTalking ? "Stop" : "Talk";
}

async function start() {
  const own = new Stream(token, picture, {
    partial: showPartial,
    result: add,
    dropped: (count) => say(`Listening. ${count} blocks of sound lost: the connection is too slow.`, true),
    end: (reason) => end(own, reason),
  });
  stream = own;
  showTalking(true);
  say("Starting…");
  try {
    if (!navigator.mediaDevices) throw new Error("a browser gives the microphone to https:// or localhost only");
    await own.start();
    say("Listening.");
    if (stopping) own.stop();
  } catch (error) {
    own.close();
    end(own, error.name === "NotAllowedError" ? "the browser may not use the microphone" : error.message);
  }
}

function stop() {
  if (!stream || stopping) return;
  stopping = true;
  say("Finishing…");
  if (stream.worklet) stream.stop();
}

function end(own, reason) {
  if (stream !== own) return;
  heard += own.seconds;
  stream = null;
  stopping = false;
  showTalking(false);
  showPartial("", "");
  say(reason ? `Stopped: ${reason}.` : "Ready.", Boolean(reason));
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
  if (stream && performance.now() - pressedAt > HELD_MS) stop();
}

at("talk").addEventListener("pointerdown", (event) => {
  if (event.button !== 0) return;
  at("talk").setPointerCapture(event.pointerId);
  press();
});
at("talk").addEventListener("pointerup", release);
at("talk").addEventListener("pointercancel", release);
window.addEventListener("blur", release); // letting go is not heard from here on
at("talk").addEventListener("contextmenu", (event) => event.preventDefault());
at("talk").addEventListener("click", (event) => {
  if (event.detail === 0 && performance.now() - pressedAt > 50) press(); // assistive technology clicks without a pointer
});
const isTalkKey = (event) => event.key === " " && !event.target.closest("button:not(#talk)");
document.addEventListener("keydown", (event) => {
  if (!isTalkKey(event)) return;
  event.preventDefault(); // a button would click on its own
  if (!event.repeat) press();
});
document.addEventListener("keyup", (event) => {
  if (!isTalkKey(event)) return;
  event.preventDefault();
  release();
});

async function transcribeFile(file) {
  if (stream) return say("Stop talking before you give a file.", true); // its words and times would mix with yours
  say(`Transcribing ${file.name}…`);
  const form = new FormData();
  form.append("file", file);
  form.append("model", at("model").textContent);
  form.append("response_format", "verbose_json");
  ["word", "segment"].forEach((one) => form.append("timestamp_granularities[]", one));
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  try {
    const response = await fetch("/v1/audio/transcriptions", { method: "POST", body: form, headers });
    const answer = await response.json();
    if (!response.ok) throw new Error(answer.error.message);
    showFile(answer);
    say(answer.text ? `${file.name}: done.` : `${file.name}: nothing was said.`);
  } catch (error) {
    say(`${file.name}: ${error.message}`, true);
  }
}

function showFile({ words, segments, duration }) {
  for (const { start, end } of segments) {
    const own = words.filter((word) => word.start >= start - 1e-6 && word.end <= end + 1e-6);
    add(own.map((word) => ({ ...word, conf: word.confidence })));
  }
  heard += duration;
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
at("save-srt").addEventListener("click", () => save("transcript.srt", transcript.toSrt()));
at("clear").addEventListener("click", () => {
  transcript.clear();
  refresh();
});

at("place").textContent = location.host;
fetch("/health").then(async (response) => (at("model").textContent = (await response.json()).model));
refresh();
