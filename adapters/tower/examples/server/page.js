// Shows the session of the cookie, the user's other sessions, and the store. All data from the server is inserted as text,
// never as HTML.
"use strict";

const part = (id) => document.getElementById(id);
const forms = new Intl.NumberFormat("en");
const clock = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" });

// Shown while the engine that has the sessions of several servers is away. No session has ended by that.
const AWAY = "The sessions cannot be reached; trying again.";

// The time that this session has left, or null when logged out.
let idle = null;
// The store's last figures, and its numbers of sessions in the last minute.
let before = null;
let trace = [];
// Whether a request for the figures is pending, so that a slow server gets only one at a time.
let looking = false;

function say(message) {
  part("message").textContent = message;
}

// Removes everything about the session from the page, because the next user may be another person.
function showLogin(message) {
  idle = before = null;
  trace = [];
  for (const id of ["name", "since", "visits", "left"]) part(id).textContent = "";
  part("devices").replaceChildren();
  part("login").reset();
  part("inside").hidden = true;
  part("login").hidden = false;
  say(message);
  part("user").focus();
}

function showSession(profile) {
  const arrived = !idle;
  setTimeLeft(profile.expires_in, profile.expires_in);
  say("");
  part("name").textContent = profile.user;
  part("since").textContent = clock.format(profile.logged_in_at * 1000);
  part("visits").textContent = forms.format(profile.visits);
  part("login").hidden = true;
  part("inside").hidden = false;
  if (arrived) look();
}

function setTimeLeft(seconds, whole) {
  idle = { whole: Math.max(whole, seconds, 1), until: Date.now() + seconds * 1000 };
  showTimeLeft();
}

function showTimeLeft() {
  if (!idle) return;
  const left = Math.max(0, Math.ceil((idle.until - Date.now()) / 1000));
  part("left").textContent = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
  part("meter").style.width = `${(100 * left) / idle.whole}%`;
}

function ago(seconds) {
  if (seconds < 5) return "just now";
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  return `${Math.floor(seconds / 3600)} h ago`;
}

// Keeps the rows of devices that remain, so that a button in use is not replaced.
function showDevices(devices) {
  const rows = new Map([...part("devices").children].map((row) => [row.dataset.device, row]));
  // This session first, then the others, oldest first. A new row is therefore appended.
  devices.sort((a, b) => b.this - a.this);
  for (const device of devices) {
    const row = rows.get(device.name) ?? newDevice(device);
    rows.delete(device.name);
    row.querySelector(".used").textContent = `used ${ago(device.idle_for)}`;
  }
  for (const row of rows.values()) row.remove();
}

function newDevice(device) {
  const row = part("device").content.cloneNode(true).firstElementChild;
  row.dataset.device = device.name;
  row.querySelector(".browser").textContent = device.browser;
  row.querySelector(".began").textContent = `since ${clock.format(device.logged_in_at * 1000)}`;
  row.querySelector(".badge").hidden = !device.this;
  const end = row.querySelector(".end");
  end.hidden = device.this;
  end.setAttribute("aria-label", `End the session of ${device.browser}, ${row.querySelector(".began").textContent}`);
  end.addEventListener("click", () => endDevice(device, end));
  part("devices").append(row);
  return row;
}

function bytes(count) {
  if (count < 1000) return `${count} B`;
  return count < 1e6 ? `${(count / 1e3).toFixed(1)} kB` : `${(count / 1e6).toFixed(1)} MB`;
}

function showStore(store) {
  for (const id of ["sessions", "created", "ended", "evicted"]) part(id).textContent = forms.format(store[id]);
  part("bytes").textContent = bytes(store.bytes);
  if (before && store.at > before.at) {
    part("rate").textContent = forms.format(Math.round((1000 * (store.lookups - before.lookups)) / (store.at - before.at)));
  }
  before = store;
  trace = [...trace, store.sessions].slice(-61);
  const peak = Math.max(...trace);
  const points = trace.map((sessions, i) => `${i + 61 - trace.length},${19 - (18 * sessions) / Math.max(peak, 1)}`);
  part("line").setAttribute("points", points.join(" "));
  part("area").setAttribute("points", `${61 - trace.length},20 ${points.join(" ")} 60,20`);
  part("peak").textContent = `at most ${forms.format(peak)}`;
}

// Only if the server keeps its sessions on disk.
function showDisk(disk) {
  part("disk").hidden = !disk;
  if (!disk) return;
  const state = disk.failing === null ? "Writing works." : `Writing has failed for ${disk.failing} s.`;
  part("disk").textContent = `Sessions restored from disk: ${forms.format(disk.restored)}. ${state}`;
}

function showNear(near) {
  for (const id of ["sessions", "hits", "misses", "invalidations", "commands"]) {
    part(`near-${id}`).textContent = forms.format(near[id]);
  }
  part("near-ping").textContent = `${forms.format(near.ping_age)} ms ago`;
}

// Which of several servers has responded. There is none if the sessions are of one server.
function showNode(response) {
  const node = response.headers.get("x-node");
  if (!node) return;
  part("node").textContent = `Answered by the server on port ${node}.`;
  part("node").hidden = part("near").hidden = false;
  part("store").hidden = true;
}

async function request(method, path, body) {
  try {
    const response = await fetch(path, { method, body });
    showNode(response);
    return response;
  } catch {
    say("The server does not respond.");
    return null;
  }
}

async function reason(response) {
  const answer = await response.json().catch(() => ({}));
  if (!answer.error) return `The server responded with status ${response.status}.`;
  return `${answer.error[0].toUpperCase()}${answer.error.slice(1)}.`;
}

// Sends the request of a button, which is disabled meanwhile. Shows the error, if there is one.
async function press(button, method, path, body) {
  button.disabled = true;
  const response = await request(method, path, body);
  button.disabled = false;
  if (!response || response.ok) return response;
  if (response.status === 401) showLogin("This session has ended.");
  else say(await reason(response));
  return null;
}

async function visit(unless) {
  const response = await request("GET", "/profile");
  if (!response) return;
  if (response.ok) showSession(await response.json());
  else if (response.status === 401) showLogin(unless);
  else say(await reason(response));
}

// Requests the figures, which does not touch the session, so the session of an open page can expire.
async function look() {
  if (!idle || document.hidden || looking) return;
  looking = true;
  const response = await fetch("/live").catch(() => null);
  looking = false;
  if (!idle) return;
  part("pulse").textContent = response ? "" : "No response; trying again.";
  if (response) showNode(response);
  if (response?.status === 503) say(AWAY);
  else if (part("message").textContent === AWAY) say("");
  if (response?.status === 401) return showLogin("This session has ended.");
  if (!response?.ok) return;
  const live = await response.json();
  if (!idle) return;
  setTimeLeft(live.expires_in, idle.whole);
  showDevices(live.devices);
  showDisk(live.disk);
  if (live.near) showNear(live.near);
  else showStore(live.store);
}

async function endDevice(device, button) {
  const response = await press(button, "POST", "/end", new URLSearchParams({ device: device.name }));
  if (response) say(`Ended: ${device.browser}.`);
  part("devices-title").focus();
  await look();
}

part("login").addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = event.target.querySelector("button");
  const response = await press(button, "POST", "/login", new URLSearchParams({ user: part("user").value }));
  if (!response) return;
  await visit("The browser did not keep the cookie. On plain http, start the server with INSECURE_COOKIES=1.");
  if (idle) part("session-title").focus();
});

part("visit").addEventListener("click", () => visit("This session has ended."));

for (const [id, message] of [["logout", "Logged out."], ["logout-everywhere", "Logged out on all your devices."]]) {
  part(id).addEventListener("click", async (event) => {
    if (await press(event.currentTarget, "POST", `/${id}`)) showLogin(message);
  });
}

part("crowd").addEventListener("click", async (event) => {
  if (await press(event.currentTarget, "POST", "/crowd")) await look();
});

part("burst").addEventListener("click", async (event) => {
  const button = event.currentTarget;
  button.disabled = true;
  let left = 200;
  const some = async () => {
    while (left-- > 0) if (!(await fetch("/profile").catch(() => null))?.ok) left = 0;
  };
  await Promise.all(Array.from({ length: 6 }, some));
  button.disabled = false;
  await visit("This session has ended.");
});

// A page that the browser restores from its back/forward cache is out of date.
addEventListener("pageshow", (event) => { if (event.persisted) visit("This session has ended."); });
document.addEventListener("visibilitychange", look);
setInterval(showTimeLeft, 250);
setInterval(look, 1000);
visit("");
