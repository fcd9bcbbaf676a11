import { createStore } from 'zustand/vanilla';
import type { Tone } from '../ui/feedback.dom.tsx';

export interface NoticeAction {
  readonly title: string;
  readonly run: () => void;
}

export interface NoticeItem {
  readonly id: number;
  readonly tone: Tone;
  readonly title: string;
  readonly body?: string | undefined;
  readonly action?: NoticeAction | undefined;
  /** The VM it concerns, where there is one. */
  readonly vm?: string | undefined;
}

export interface Notices {
  readonly items: readonly NoticeItem[];
}

/** More than this would cover the window: the oldest goes. */
const MOST = 4;

export type NoticeStore = ReturnType<typeof createNoticeStore>;

/** Messages that pass by: something was done (with its undo), something went wrong. Errors stay until they are dismissed. */
export function createNoticeStore() {
  const store = createStore<Notices>(() => ({ items: [] }));
  let nextId = 1;
  return {
    store,
    show(notice: Omit<NoticeItem, 'id'>): number {
      const id = nextId++;
      store.setState(({ items }) => {
        const same = items.filter((item) => item.title !== notice.title || item.body !== notice.body);
        return { items: [...same, { ...notice, id }].slice(-MOST) };
      });
      return id;
    },
    dismiss(id: number): void {
      store.setState(({ items }) => ({ items: items.filter((item) => item.id !== id) }));
    },
  };
}
