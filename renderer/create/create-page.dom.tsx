import { Boxes, CircleAlert, Disc3, FileQuestion, Folder, HardDrive, type LucideIcon, Play, Save, SquareTerminal, TriangleAlert } from 'lucide-react';
import { useEffect, useRef } from 'react';
import { Form } from 'react-aria-components';
import { useStore } from 'zustand';
import { MAX_CPUS, MAX_MEMORY_MIB } from '../../vmm/protocol/config.ts';
import * as act from '../commands/actions.dom.ts';
import type { ImportPreview } from '../../vmm/protocol/shared.ts';
import { bytes } from '../i18n/format.ts';
import { useText } from '../i18n/i18n.ts';
import { systemChoices } from '../library/systems.ts';
import { useApp, useLayout, useLibrary } from '../state/context.dom.tsx';
import { Button } from '../ui/button.dom.tsx';
import { Notice, Progress } from '../ui/feedback.dom.tsx';
import { NumberField, Select, Switch, TextField } from '../ui/field.dom.tsx';
import type { Draft } from './draft.ts';

const mediumIcon: Readonly<Record<string, LucideIcon>> = {
  floppy: Save,
  cdrom: Disc3,
  disk: HardDrive,
  kernel: SquareTerminal,
  folder: Folder,
  foreign: Boxes,
};

/** A new machine, filled in from what was dropped: read it, press Enter, it runs. */
export function CreatePage({ id }: { id: string }) {
  const app = useApp();
  const t = useText();
  const draft = app.drafts.get(id);
  if (draft === undefined) return <p className="page empty-line">{t('create.gone')}</p>;
  return <DraftForm draft={draft} />;
}

function DraftForm({ draft }: { draft: Draft }) {
  const app = useApp();
  const t = useText();
  const state = useStore(draft.store);
  const active = useLayout((s) => s.active === draft.id);
  const { phase, fields, medium, source } = state;
  const templates = useLibrary((s) => s.templates);
  const fromFile = state.fileName !== undefined || source !== undefined;
  const ready = phase === 'ready';
  const named = fields.name.trim() !== '';
  const startButton = useRef<HTMLButtonElement>(null);
  const canStart = ready && named;

  // What was dropped is filled in: Enter starts it. An empty machine wants its name first.
  useEffect(() => {
    if (active && canStart && fromFile) startButton.current?.focus();
  }, [active, canStart && fromFile]);

  // From nothing, the system decides what suits it; from a file, the server has decided already.
  const chooseSystem = (system: string) => {
    const template = fromFile ? undefined : templates.find(({ id }) => id === system);
    draft.edit({ system, ...(template && { memory: template.memory, newDisk: template.disk ?? 0 }) });
  };
  const create = (start: boolean) => void act.createDraftVm(app, draft.id, start);

  return (
    <div className="page narrow">
      <header className="page-head">
        <h1>{fromFile ? t('create.title') : t('create.titleEmpty')}</h1>
      </header>
      {fromFile && <MediumCard draft={draft} />}
      {state.preview && <Preview preview={state.preview} />}
      {phase === 'failed' ? (
        <Notice tone="bad" title={t('create.failed')}>
          {state.problem}
        </Notice>
      ) : (
        <Form
          className="create-form"
          onSubmit={(event) => {
            event.preventDefault();
            if (canStart) create(true);
          }}
        >
          {(ready || phase === 'creating') && (
            <>
              {medium?.warnings.map((warning) => (
                <p key={warning} className="medium-warning">
                  <TriangleAlert size={15} aria-hidden /> {warning}
                </p>
              ))}
              <div className="form-grid">
                <TextField
                  label={t('field.name')}
                  value={fields.name}
                  onChange={(name) => draft.edit({ name })}
                  autoFocus={!fromFile}
                  error={named ? undefined : fromFile ? t('create.nameMissing') : undefined}
                />
                <Select label={t('field.system')} value={fields.system} choices={systemChoices(templates, fields.system)} onChange={chooseSystem} />
                <NumberField
                  label={t('field.memory')}
                  unit="MiB"
                  value={fields.memory}
                  min={1}
                  max={MAX_MEMORY_MIB}
                  onChange={(memory) => draft.edit({ memory })}
                />
                <NumberField label={t('field.cpus')} value={fields.cpus} min={1} max={MAX_CPUS} onChange={(cpus) => draft.edit({ cpus })} />
                {!fromFile && (
                  <NumberField
                    label={t('field.newDisk')}
                    unit="GiB"
                    value={fields.newDisk}
                    min={0}
                    max={2048}
                    hint={t('create.newDiskHint')}
                    onChange={(newDisk) => draft.edit({ newDisk })}
                  />
                )}
              </div>
              <div className="form-switches">
                <Switch value={fields.network} onChange={(network) => draft.edit({ network })}>
                  {t('create.network')}
                </Switch>
                {fromFile && app.host.filesStayInPlace && state.medium?.kind !== 'folder' && (
                  <Switch value={fields.copy} onChange={(copy) => draft.edit({ copy })}>
                    {t('create.copy')}
                  </Switch>
                )}
              </div>
            </>
          )}
          {state.problem !== undefined && (
            <p className="field-error" role="alert">
              <CircleAlert size={15} aria-hidden /> <span>{state.problem}</span>
            </p>
          )}
          <div className="form-actions">
            <Button kind="primary" size="l" icon={Play} type="submit" isDisabled={!canStart} buttonRef={startButton}>
              {phase === 'creating' ? t('create.creating') : t('create.andStart')}
            </Button>
            <Button size="l" isDisabled={!canStart} onPress={() => create(false)}>
              {t('create.only')}
            </Button>
          </div>
        </Form>
      )}
    </div>
  );
}

/** What becomes of another product's machine: line by line, and what it loses, before anything is made. */
function Preview({ preview }: { preview: ImportPreview }) {
  const t = useText();
  return (
    <section className="import-preview" aria-label={t('preview.title', { product: preview.product })}>
      <table>
        <thead>
          <tr>
            <th scope="col">{t('preview.title', { product: preview.product })}</th>
            <th scope="col">{t('preview.from')}</th>
            <th scope="col">{t('preview.to')}</th>
          </tr>
        </thead>
        <tbody>
          {preview.mapped.map((line, at) => (
            <tr key={at}>
              <th scope="row">{line.what}</th>
              <td>{line.from}</td>
              <td>{line.to}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {preview.lost.length > 0 && (
        <>
          <h2>{t('preview.lost')}</h2>
          <ul className="preview-lost">
            {preview.lost.map((line) => (
              <li key={line}>
                <TriangleAlert size={14} aria-hidden /> <span>{line}</span>
              </li>
            ))}
          </ul>
        </>
      )}
    </section>
  );
}

function MediumCard({ draft }: { draft: Draft }) {
  const t = useText();
  const { fileName, fileSize, phase, progress, medium } = useStore(draft.store);
  const Icon = (medium && mediumIcon[medium.kind]) ?? FileQuestion;
  const size = medium?.kind === 'folder' ? undefined : (medium?.bytes ?? fileSize);
  const line =
    medium?.description ??
    (phase === 'sending' ? t('create.sending') : phase === 'detecting' ? t('create.detecting') : phase === 'failed' ? t('create.unknown') : '');
  return (
    <div className="medium-card" aria-busy={phase === 'sending' || phase === 'detecting'}>
      <span className="medium-icon">
        <Icon aria-hidden />
      </span>
      <div className="medium-text">
        <p className="medium-title">{line}</p>
        <p className="hint">
          {fileName}
          {size !== undefined && <span className="numeric"> · {bytes(size)}</span>}
          {medium && <span> · {medium.format}</span>}
        </p>
        {(phase === 'sending' || phase === 'detecting' || phase === 'creating') && <Progress label={line} value={progress} />}
      </div>
    </div>
  );
}
