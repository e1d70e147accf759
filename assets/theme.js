// Runs before the first paint of the plain HTML pages: the theme chosen in the portal holds here.
try {
  const theme = localStorage.getItem("theme");
  if (theme === "light" || theme === "dark") document.documentElement.classList.add(theme);
} catch {
  // Storage is blocked: the system's preference applies.
}
