export function CheckBadge(_: { node: number }) {
  return null;
}

export function CheckCurve() {
  return null;
}
