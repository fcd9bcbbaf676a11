import type { LucideIcon } from 'lucide-react';
import { ChevronDown } from 'lucide-react';
import type { ReactNode, Ref } from 'react';
import { Button as AriaButton, ToggleButton as AriaToggleButton, Tooltip as AriaTooltip, TooltipTrigger } from 'react-aria-components';
import type { ButtonProps as AriaButtonProps, ToggleButtonProps } from 'react-aria-components';
import { Keys } from './keys.dom.tsx';

export type ButtonKind = 'plain' | 'primary' | 'danger' | 'quiet';

interface Look {
  readonly kind?: ButtonKind;
  readonly size?: 's' | 'm' | 'l';
  readonly icon?: LucideIcon;
}

export interface ButtonProps extends Omit<AriaButtonProps, 'children' | 'className'>, Look {
  readonly buttonRef?: Ref<HTMLButtonElement>;
  readonly children: ReactNode;
  readonly caret?: boolean;
}

/** A button with words on it. */
export function Button({ kind = 'plain', size = 'm', icon: Icon, caret, children, buttonRef, ...rest }: ButtonProps) {
  return (
    <AriaButton {...rest} {...(buttonRef ? { ref: buttonRef } : {})} className="button" data-kind={kind} data-size={size}>
      {Icon && <Icon aria-hidden />}
      <span>{children}</span>
      {caret && <ChevronDown aria-hidden className="caret" />}
    </AriaButton>
  );
}

export interface IconButtonProps extends Omit<AriaButtonProps, 'children' | 'className' | 'aria-label'>, Look {
  readonly icon: LucideIcon;
  readonly label: string;
  /** Shortcut shown in the tip, one array entry per key. */
  readonly keys?: readonly string[] | undefined;
  readonly caret?: boolean;
}

/** A button that is only a picture: its label is its accessible name and its tip. */
export function IconButton({ icon: Icon, label, keys, kind = 'quiet', size = 'm', caret, ...rest }: IconButtonProps) {
  return (
    <Tip text={label} keys={keys}>
      <AriaButton {...rest} aria-label={label} className="button" data-kind={kind} data-size={size} {...(caret ? {} : { 'data-icon-only': '' })}>
        <Icon aria-hidden />
        {caret && <ChevronDown aria-hidden className="caret" />}
      </AriaButton>
    </Tip>
  );
}

export interface ToggleIconButtonProps extends Omit<ToggleButtonProps, 'children' | 'className' | 'aria-label'>, Look {
  readonly icon: LucideIcon;
  readonly label: string;
  readonly keys?: readonly string[] | undefined;
}

export function ToggleIconButton({ icon: Icon, label, keys, kind = 'quiet', size = 'm', ...rest }: ToggleIconButtonProps) {
  return (
    <Tip text={label} keys={keys}>
      <AriaToggleButton {...rest} aria-label={label} className="button" data-kind={kind} data-size={size} data-icon-only="">
        <Icon aria-hidden />
      </AriaToggleButton>
    </Tip>
  );
}

/** A tip on hover and on keyboard focus; never the only place something is said. */
export function Tip({ text, keys, children }: { text: string; keys?: readonly string[] | undefined; children: ReactNode }) {
  return (
    <TooltipTrigger delay={500} closeDelay={60}>
      {children}
      <AriaTooltip className="tooltip" offset={6}>
        {text}
        {keys && <Keys keys={keys} />}
      </AriaTooltip>
    </TooltipTrigger>
  );
}
