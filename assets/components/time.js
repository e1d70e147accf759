// A <time> in UTC, relative to now, or as `text`. `at` is ISO 8601; an empty one shows `empty`.
import { createElement, useEffect, useState } from "react";

const STEPS = [
  [60, "second"],
  [60, "minute"],
  [24, "hour"],
  [30, "day"],
  [12, "month"],
  [Infinity, "year"],
];

const relativeTo = (date, now) => {
  const words = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
  let amount = (date - now) / 1000;
  if (Math.abs(amount) < 5) return "just now";
  for (const [size, unit] of STEPS) {
    if (Math.abs(Math.round(amount)) < size) return words.format(Math.round(amount), unit);
    amount /= size;
  }
  return "";
};

const inUtc = (date) => `${date.toISOString().slice(0, 19).replace("T", " ")} UTC`;

const titleOf = (date) => {
  const local = date.toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "medium" });
  return `${inUtc(date)} (${local} your time)`;
};

export function Time({ at, relative, empty, text }) {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    setNow(Date.now());
    if (!relative) return undefined;
    const timer = setInterval(() => setNow(Date.now()), 10_000);
    return () => clearInterval(timer);
  }, [at, relative]);

  const date = at ? new Date(at) : null;
  if (!date || Number.isNaN(date.getTime())) {
    return createElement("span", { className: "faint" }, empty);
  }
  const words = text || (relative ? relativeTo(date, now) : inUtc(date));
  return createElement(
    "time",
    {
      dateTime: date.toISOString(),
      title: titleOf(date),
      className: relative || text ? "" : "mono",
      // a prerendered "3 minutes ago" is of the build's time
      suppressHydrationWarning: true,
    },
    words,
  );
}
