export function Modules() {
  return null;
}
