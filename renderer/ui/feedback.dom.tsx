import { CircleAlert, CircleCheck, Info, TriangleAlert, X } from 'lucide-react';
import type { ReactNode } from 'react';
import { Dialog, Heading, Modal, ModalOverlay, ProgressBar } from 'react-aria-components';
import { Button, IconButton } from './button.dom.tsx';

export type Tone = 'info' | 'ok' | 'warn' | 'bad';

const toneIcon = { info: Info, ok: CircleCheck, warn: TriangleAlert, bad: CircleAlert } as const;

/** One message in the flow of the page: what happened, and what to do about it. Never modal. */
export function Notice({
  tone,
  title,
  children,
  actions,
  dismiss,
}: {
  tone: Tone;
  title: string;
  children?: ReactNode;
  actions?: ReactNode;
  dismiss?: { label: string; run: () => void };
}) {
  const Icon = toneIcon[tone];
  return (
    <div className="notice" data-tone={tone} role={tone === 'bad' ? 'alert' : 'status'}>
      <Icon aria-hidden />
      <div>
        <p className="notice-title">{title}</p>
        {children !== undefined && <div className="notice-body">{children}</div>}
        {actions !== undefined && <div className="notice-actions">{actions}</div>}
      </div>
      {dismiss && <IconButton icon={X} size="s" label={dismiss.label} onPress={dismiss.run} />}
    </div>
  );
}

export interface Confirmation {
  readonly title: string;
  readonly body: string;
  readonly confirm: string;
  readonly cancel: string;
  readonly run: () => void;
}

/** The only modal thing in the product: something is about to be lost. */
export function ConfirmDialog({ question, onClose }: { question: Confirmation | undefined; onClose: () => void }) {
  return (
    <ModalOverlay className="modal-overlay" isOpen={question !== undefined} onOpenChange={(open) => !open && onClose()} isDismissable>
      <Modal className="modal">
        <Dialog className="dialog" role="alertdialog">
          <Heading slot="title" level={2}>
            {question?.title}
          </Heading>
          <p>{question?.body}</p>
          <div className="actions">
            <Button onPress={onClose} autoFocus>
              {question?.cancel}
            </Button>
            <Button
              kind="danger"
              onPress={() => {
                question?.run();
                onClose();
              }}
            >
              {question?.confirm}
            </Button>
          </div>
        </Dialog>
      </Modal>
    </ModalOverlay>
  );
}

/** `value` from 0 to 1, or undefined where the end is not known. */
export function Progress({ label, value }: { label: string; value: number | undefined }) {
  return (
    <ProgressBar className="progress" aria-label={label} isIndeterminate={value === undefined} value={(value ?? 0) * 100}>
      {({ percentage }) => (
        <div className="bar">
          <div className="fill" {...(value === undefined ? { 'data-indeterminate': '' } : {})} style={{ width: `${percentage ?? 0}%` }} />
        </div>
      )}
    </ProgressBar>
  );
}
