import { Check, ChevronsUpDown, CircleAlert, Search, X } from 'lucide-react';
import type { ReactNode } from 'react';
import {
  Button,
  CheckboxButton,
  CheckboxField,
  FieldError,
  Input,
  Label,
  ListBox,
  ListBoxItem,
  NumberField as AriaNumberField,
  Popover,
  SearchField as AriaSearchField,
  Select as AriaSelect,
  SelectValue,
  SwitchButton,
  SwitchField,
  Text,
  TextArea,
  TextField as AriaTextField,
} from 'react-aria-components';
import { IconButton } from './button.dom.tsx';

interface FieldCommon {
  readonly label: string;
  readonly hint?: ReactNode;
  /** What is wrong with the value, in one line; shown beside the field. */
  readonly error?: string | undefined;
  readonly disabled?: boolean | undefined;
}

function Below({ hint, error }: Pick<FieldCommon, 'hint' | 'error'>) {
  return (
    <>
      {error === undefined && hint !== undefined && (
        <Text slot="description" className="hint">
          {hint}
        </Text>
      )}
      <FieldError className="field-error">{error}</FieldError>
    </>
  );
}

export interface TextFieldProps extends FieldCommon {
  readonly value: string;
  readonly onChange: (value: string) => void;
  readonly onCommit?: () => void;
  readonly placeholder?: string;
  readonly lines?: number;
  readonly mono?: boolean;
  readonly autoFocus?: boolean;
}

export function TextField({ label, hint, error, disabled, value, onChange, onCommit, placeholder, lines, mono, autoFocus }: TextFieldProps) {
  const shared = { className: mono ? 'input mono' : 'input', ...(placeholder === undefined ? {} : { placeholder }) };
  return (
    <AriaTextField
      className="field"
      value={value}
      onChange={onChange}
      isInvalid={error !== undefined}
      isDisabled={disabled ?? false}
      autoFocus={autoFocus ?? false}
      {...(onCommit ? { onBlur: onCommit, onKeyDown: (event) => event.key === 'Enter' && lines === undefined && onCommit() } : {})}
    >
      <Label>{label}</Label>
      {lines === undefined ? <Input {...shared} /> : <TextArea {...shared} rows={lines} />}
      <Below hint={hint} error={error} />
    </AriaTextField>
  );
}

export interface NumberFieldProps extends FieldCommon {
  readonly value: number;
  readonly onChange: (value: number) => void;
  readonly min?: number;
  readonly max?: number;
  readonly step?: number;
  readonly unit?: string;
}

export function NumberField({ label, hint, error, disabled, value, onChange, min, max, step, unit }: NumberFieldProps) {
  return (
    <AriaNumberField
      className="field"
      value={value}
      onChange={onChange}
      isInvalid={error !== undefined}
      isDisabled={disabled ?? false}
      formatOptions={{ useGrouping: false }}
      {...(min === undefined ? {} : { minValue: min })}
      {...(max === undefined ? {} : { maxValue: max })}
      {...(step === undefined ? {} : { step })}
    >
      <Label>{label}</Label>
      <div className="input-with-unit">
        <Input className="input numeric" />
        {unit !== undefined && <span className="unit">{unit}</span>}
      </div>
      <Below hint={hint} error={error} />
    </AriaNumberField>
  );
}

export interface Choice<T extends string> {
  readonly id: T;
  readonly title: string;
  readonly detail?: string;
}

export interface SelectProps<T extends string> extends FieldCommon {
  readonly value: T;
  readonly choices: readonly Choice<T>[];
  readonly onChange: (value: T) => void;
}

export function Select<T extends string>({ label, hint, error, disabled, value, choices, onChange }: SelectProps<T>) {
  return (
    <AriaSelect
      className="field"
      value={value}
      onChange={(key) => key !== null && onChange(key as T)}
      isInvalid={error !== undefined}
      isDisabled={disabled ?? false}
    >
      <Label>{label}</Label>
      <Button className="select-button">
        <SelectValue />
        <ChevronsUpDown aria-hidden />
      </Button>
      <Below hint={hint} error={error} />
      <Popover className="popover">
        <ListBox className="menu" items={choices}>
          {(choice) => (
            <ListBoxItem id={choice.id} textValue={choice.title} className="list-option">
              {choice.title}
            </ListBoxItem>
          )}
        </ListBox>
      </Popover>
    </AriaSelect>
  );
}

export function Switch({
  value,
  onChange,
  disabled,
  children,
}: {
  value: boolean;
  onChange: (value: boolean) => void;
  disabled?: boolean;
  children: ReactNode;
}) {
  return (
    <SwitchField isSelected={value} onChange={onChange} isDisabled={disabled ?? false}>
      <SwitchButton className="switch">
        <span className="track" />
        <span>{children}</span>
      </SwitchButton>
    </SwitchField>
  );
}

export function SearchField({
  label,
  clear,
  value,
  onChange,
  placeholder,
  autoFocus = false,
}: {
  label: string;
  clear: string;
  value: string;
  onChange: (value: string) => void;
  placeholder: string;
  autoFocus?: boolean;
}) {
  return (
    <AriaSearchField className="search" aria-label={label} value={value} onChange={onChange} autoFocus={autoFocus}>
      <Search aria-hidden />
      <Input className="input" placeholder={placeholder} />
      <IconButton icon={X} label={clear} size="s" />
    </AriaSearchField>
  );
}

/** The box that marks an item of a list for what is done to many. */
export function SelectBox({ label }: { label: string }) {
  return (
    <CheckboxField slot="selection" aria-label={label} className="select-field">
      <CheckboxButton className="select-box">
        <Check aria-hidden />
      </CheckboxButton>
    </CheckboxField>
  );
}

/** An error beside something that is not a text field. */
export function ErrorLine({ children }: { children: ReactNode }) {
  return (
    <p className="field-error" role="alert">
      <CircleAlert size={14} aria-hidden /> <span>{children}</span>
    </p>
  );
}
