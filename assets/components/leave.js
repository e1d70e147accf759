// Leaves the portal for another page, such as a checkout, once `to` is an address. Reflex's own
// redirect would look for a page of the portal there when the host is the same.
import { useEffect } from "react";

export function Leave({ to }) {
  useEffect(() => {
    if (to) window.location.assign(to);
  }, [to]);
  useEffect(() => {
    // A page that the back button took from memory still shows that it is about to leave.
    const renew = (event) => event.persisted && window.location.reload();
    window.addEventListener("pageshow", renew);
    return () => window.removeEventListener("pageshow", renew);
  }, []);
  return null;
}
