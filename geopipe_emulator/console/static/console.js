// Keeps the page up to date: the server sends the changed main part, and only what differs is replaced.
// Open details, the focus and half-written forms stay.
"use strict";
(() => {
  const main = document.getElementById("main");
  const sign = document.getElementById("live");
  const source = `${document.body.dataset.live}?page=${encodeURIComponent(location.pathname + location.search)}`;
  let events = null;

  function say(state, words) {
    if (sign.textContent === words) return;
    sign.className = `live ${state}`;
    sign.textContent = words;
  }

  function change(old, fresh) {
    if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName || old.id !== fresh.id) {
      old.replaceWith(document.importNode(fresh, true));
    } else if (old.nodeType !== Node.ELEMENT_NODE) {
      if (old.data !== fresh.data) old.data = fresh.data;
    } else {
      for (const { name } of [...old.attributes]) {
        if (!fresh.hasAttribute(name) && name !== "open") old.removeAttribute(name);
      }
      for (const { name, value } of fresh.attributes) {
        if (name !== "open" && old.getAttribute(name) !== value) old.setAttribute(name, value);
      }
      changeChildren(old, fresh);
    }
  }

  function changeChildren(old, fresh) {
    const byId = new Map([...old.children].filter((child) => child.id).map((child) => [child.id, child]));
    const wanted = new Set([...fresh.children].map((child) => child.id).filter(Boolean));
    let next = old.firstChild;
    for (const child of fresh.childNodes) {
      // What has left the page must not stand in for what follows it.
      while (next && next.id && !wanted.has(next.id)) {
        const gone = next;
        next = next.nextSibling;
        gone.remove();
      }
      const known = child.id ? byId.get(child.id) : next && !next.id ? next : null;
      if (!known) {
        old.insertBefore(document.importNode(child, true), next);
      } else {
        if (known === next) next = next.nextSibling;
        else old.insertBefore(known, next);
        change(known, child);
      }
    }
    while (next) {
      const gone = next;
      next = next.nextSibling;
      gone.remove();
    }
  }

  function show(message) {
    const { title, main: text } = JSON.parse(message.data);
    const fresh = new DOMParser().parseFromString(`<main>${text}</main>`, "text/html").querySelector("main");
    changeChildren(main, fresh);
    document.title = title;
    say("on", "Live");
  }

  function connect() {
    events = new EventSource(source);
    events.addEventListener("main", show);
    events.addEventListener("problem", (message) => say("off", JSON.parse(message.data).title));
    events.addEventListener("error", () => say("off", "The emulator does not respond"));
  }

  // A browser has six connections for all pages of one address, so a page that is not seen gives its one back.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) events.close();
    else connect();
  });
  addEventListener("pagehide", () => events.close());
  addEventListener("pageshow", (event) => { if (event.persisted) connect(); });
  connect();
})();
