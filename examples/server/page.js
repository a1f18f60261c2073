// Shows the session behind the cookie. Everything from the server goes in as textContent, never as HTML.
"use strict";

const part = (id) => document.getElementById(id);
const buttons = document.querySelectorAll("button");

// What the last visit said about the session's time, or null when logged out.
let idle = null;

function say(message) {
  part("message").textContent = message;
}

function showLogin(message) {
  idle = null;
  say(message);
  part("session").hidden = true;
  part("login").hidden = false;
  part("user").focus();
}

function showSession(profile) {
  idle = { seconds: profile.expires_in, until: Date.now() + profile.expires_in * 1000 };
  say("");
  part("name").textContent = profile.user;
  part("since").textContent = new Date(profile.logged_in_at * 1000).toLocaleString();
  part("visits").textContent = profile.visits;
  part("sessions").textContent = profile.sessions;
  part("login").hidden = true;
  part("session").hidden = false;
  tick();
}

// Only counts down: asking the server would itself keep the session alive.
function tick() {
  if (!idle) return;
  const left = Math.max(0, Math.ceil((idle.until - Date.now()) / 1000));
  const clock = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
  part("left").textContent = left > 0 ? clock : "expired";
  part("meter").style.width = `${(100 * left) / Math.max(1, idle.seconds)}%`;
}

async function request(method, path, body) {
  buttons.forEach((button) => { button.disabled = true; });
  try {
    return await fetch(path, { method, body });
  } catch {
    say("The server does not answer.");
    return null;
  } finally {
    buttons.forEach((button) => { button.disabled = false; });
  }
}

async function reason(response) {
  const answer = await response.json().catch(() => ({}));
  return answer.error ?? `The server answered ${response.status}.`;
}

async function visit(unless) {
  const response = await request("GET", "/profile");
  if (!response) return;
  if (response.ok) showSession(await response.json());
  else if (response.status === 401) showLogin(unless);
  else say(await reason(response));
}

part("login").addEventListener("submit", async (event) => {
  event.preventDefault();
  const response = await request("POST", "/login", new URLSearchParams({ user: part("user").value }));
  if (!response) return;
  if (!response.ok) say(await reason(response));
  else await visit("The browser did not keep the cookie. Over plain http it may need INSECURE_COOKIES=1.");
});

part("visit").addEventListener("click", () => visit("The session has ended."));

part("logout").addEventListener("click", async () => {
  const response = await request("POST", "/logout");
  if (!response) return;
  if (response.ok) showLogin("Logged out.");
  else say(await reason(response));
});

setInterval(tick, 250);
visit("");
