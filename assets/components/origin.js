// The address this site is built for; on a loopback machine, the one it is open at.
import { useEffect, useState } from "react";

export function Origin({ built, follows }) {
  const [origin, setOrigin] = useState(built);
  useEffect(() => {
    if (follows) setOrigin(window.location.origin);
  }, [follows]);
  return origin;
}
