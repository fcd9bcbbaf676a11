/**
 * react-aria empties its announcer with `innerHTML = ''`, which the page's policy (require-trusted-types-for) refuses like any other HTML: a number
 * field that was changed took the page down. Emptying is no HTML: it goes another way, and everything else is refused as before.
 */
const descriptor = Object.getOwnPropertyDescriptor(Element.prototype, 'innerHTML');
const setHtml = Reflect.get(descriptor ?? {}, 'set') as ((this: Element, value: unknown) => void) | undefined;

if (descriptor !== undefined && setHtml !== undefined) {
  Object.defineProperty(Element.prototype, 'innerHTML', {
    ...descriptor,
    set(this: Element, value: unknown) {
      if (value === '') this.replaceChildren();
      else setHtml.call(this, value);
    },
  });
}

export {};
