// What happens in the browser alone: copying, returning the focus, keeping `next`, the resend
// timer, unsaved things.
// Everything is delegated from the document, so it also works on what is rendered later.

const announcer = () => {
  let region = document.getElementById("announcer");
  if (!region) {
    region = document.createElement("div");
    region.id = "announcer";
    region.className = "sr-only";
    region.setAttribute("role", "status");
    document.body.append(region);
  }
  return region;
};

// Without the clipboard API (plain http on another host) a selected text area does it.
const copyBySelection = (text, near) => {
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "sr-only";
  near.append(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  if (!copied) throw new Error("the browser refused to copy");
};

const copy = async (button) => {
  const source = button.closest("[data-copy-scope]")?.querySelector("[data-copy-source]");
  const text = button.dataset.copyText ?? source?.textContent ?? "";
  try {
    if (navigator.clipboard) await navigator.clipboard.writeText(text);
    else copyBySelection(text, button.parentElement);
  } catch {
    announcer().textContent = "Copying failed. Select the text and copy it.";
    return;
  }
  button.dataset.copied = "";
  button.closest("[data-unsaved]")?.removeAttribute("data-unsaved");
  announcer().textContent = "Copied";
  clearTimeout(button.copiedTimer);
  button.copiedTimer = setTimeout(() => {
    delete button.dataset.copied;
    announcer().textContent = "";
  }, 2000);
};

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("[data-copy]");
  if (button) copy(button);
  // A choice made in a menu closes the menu.
  event.target.closest?.(".menu :is(a, button)")?.closest("[popover]").hidePopover();
});

// A dialog gives the focus back to what opened it: the last thing used outside of dialogs and
// menus. Radix does so only for its own trigger buttons, and ours are opened by the state.
let opener = null;
const rememberOpener = (event) => {
  const target = event.target.closest?.("a, button, input, select, textarea, summary");
  if (target && !target.closest("[role=dialog], [popover]")) opener = target;
};
document.addEventListener("focusin", rememberOpener);
document.addEventListener("click", rememberOpener, true);
window.returnFocus = (event) => {
  event.preventDefault();
  const place = opener?.isConnected ? opener : document.getElementById("main");
  place?.focus();
};

// `next` travels from the page's address into the sign-in form and between its two pages.
const keepNext = (event) => {
  const next = new URLSearchParams(location.search).get("next");
  if (!next) return;
  const field = event.target.closest?.("form")?.querySelector("input[data-next]");
  if (event.type === "submit" && field) field.value = next;
  const link = event.type === "click" && event.target.closest?.("a[data-keep-next]");
  if (link) link.search = new URLSearchParams({ next }).toString();
};
document.addEventListener("submit", keepNext, true);
document.addEventListener("click", keepNext, true);

// A button with data-wait-seconds counts down before it can be pressed.
const countDown = (button) => {
  const label = button.textContent;
  const readyAt = performance.now() + Number(button.dataset.waitSeconds) * 1000;
  const tick = () => {
    const left = Math.ceil((readyAt - performance.now()) / 1000);
    button.disabled = left > 0;
    button.textContent = left > 0 ? `${label} (${left} s)` : label;
    if (left > 0) setTimeout(tick, 250);
  };
  tick();
};
for (const button of document.querySelectorAll("button[data-wait-seconds]")) countDown(button);

// While something marked data-unsaved is on the page (a key not copied yet), leaving it asks,
// and the dialog around it stays.
window.keepUnsaved = (event) => {
  if (document.querySelector("[data-unsaved]")) event.preventDefault();
};
window.addEventListener("beforeunload", window.keepUnsaved);
