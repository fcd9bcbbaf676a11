import { Camera, Check, GitFork, Pin, PinOff, Trash2, Undo2 } from 'lucide-react';
import { useMemo, useState } from 'react';
import { Collection, ListBox, ListBoxItem, Tree, TreeItem, TreeItemContent, type Key } from 'react-aria-components';
import type { VmSummary } from '../../vmm/protocol/shared.ts';
import { stopped } from '../../vmm/protocol/states.ts';
import type { SnapshotInfo, SnapshotTreeInfo } from '../../vmm/protocol/snapshots.ts';
import { bytes, clock, dateTime } from '../i18n/format.ts';
import { useText } from '../i18n/i18n.ts';
import { useApp } from '../state/context.dom.tsx';
import { Button } from '../ui/button.dom.tsx';
import { TextField } from '../ui/field.dom.tsx';
import { Picture } from '../ui/picture.dom.tsx';
import { placeLanes, type Placed } from './lanes.ts';
import * as act from './snapshot-actions.dom.ts';
import { useSnapshots } from './use-snapshots.dom.ts';

const COLUMN = 148;
const LANE = 132;

/** The machine's past: points in time with their branches. Enter goes there. */
export function TimelineView({ vm }: { vm: VmSummary }) {
  const t = useText();
  const app = useApp();
  const tree = useSnapshots(vm);
  const [chosen, setChosen] = useState<string>();
  const run = (work: Promise<void>) => void work.catch((error: unknown) => app.reportError(error, vm));
  if (tree === undefined) return <p className="page empty-line">{t('timeline.loading')}</p>;
  const selected = selectedOf(tree, chosen);
  const go = (key: Key) => {
    const target = tree.snapshots.find(({ id }) => id === key);
    if (target) run(act.goTo(app, vm, target));
  };
  return (
    <div className="page timeline">
      <div className="timeline-bar">
        <Button kind="primary" icon={Camera} onPress={() => run(act.takeSnapshot(app, vm))}>
          {t('command.snapshot')}
        </Button>
        {tree.undo && stopped.includes(vm.state) && (
          <>
            <Button icon={Check} onPress={() => run(act.endUndo(app, vm, 'commit'))}>
              {t('timeline.commit')}
            </Button>
            <Button icon={Undo2} onPress={() => run(act.endUndo(app, vm, 'discard'))}>
              {t('timeline.discard')}
            </Button>
          </>
        )}
        <p className="timeline-space">{t('timeline.space', { size: bytes(tree.bytes) })}</p>
      </div>
      {tree.snapshots.length === 0 ? (
        <p className="empty-line">{t('timeline.empty')}</p>
      ) : (
        <>
          <LanesView vm={vm} tree={tree} selected={selected?.id} onSelect={setChosen} onGo={go} />
          <div className="timeline-detail">
            <SnapshotTree tree={tree} selected={selected?.id} onSelect={setChosen} onGo={go} />
            {selected && <Detail key={selected.id} vm={vm} snapshot={selected} present={selected.id === tree.present} />}
          </div>
        </>
      )}
    </div>
  );
}

function selectedOf({ snapshots, present }: SnapshotTreeInfo, chosen: string | undefined): SnapshotInfo | undefined {
  return snapshots.find(({ id }) => id === (chosen ?? present)) ?? snapshots[snapshots.length - 1];
}

interface ChoiceProps {
  readonly tree: SnapshotTreeInfo;
  readonly selected: string | undefined;
  readonly onSelect: (id: string) => void;
  readonly onGo: (id: Key) => void;
}

function LanesView({ vm, tree, selected, onSelect, onGo }: ChoiceProps & { readonly vm: VmSummary }) {
  const t = useText();
  const { points, links, lanes } = useMemo(() => placeLanes(tree.snapshots), [tree]);
  const size = { width: points.length * COLUMN, height: lanes * LANE };
  const x = (placed: Placed) => placed.column * COLUMN + COLUMN / 2;
  const y = (placed: Placed) => placed.lane * LANE + LANE / 2 - 12;
  return (
    <div className="timeline-lanes">
      <div className="timeline-strip" style={size}>
        <svg aria-hidden width={size.width} height={size.height}>
          {links.map(({ from, to }) => (
            <path key={to.snapshot.id} d={`M ${x(from)} ${y(from)} C ${x(to) - 60} ${y(from)}, ${x(to) - 80} ${y(to)}, ${x(to)} ${y(to)}`} />
          ))}
        </svg>
        <ListBox
          aria-label={t('timeline.points')}
          orientation="horizontal"
          selectionMode="single"
          selectionBehavior="replace"
          disallowEmptySelection
          selectedKeys={selected === undefined ? [] : [selected]}
          onSelectionChange={(keys) => {
            const [key] = keys === 'all' ? [] : [...keys];
            if (key !== undefined) onSelect(String(key));
          }}
          onAction={onGo}
          items={points.map((placed) => ({ ...placed, id: placed.snapshot.id }))}
          className="timeline-points"
        >
          {(placed) => (
            <ListBoxItem
              id={placed.snapshot.id}
              textValue={placed.snapshot.name}
              className="timeline-point"
              style={{ insetInlineStart: placed.column * COLUMN, insetBlockStart: placed.lane * LANE }}
              data-kind={placed.snapshot.kind}
            >
              <SnapshotPicture vm={vm.id} snapshot={placed.snapshot} />
              <span className="timeline-name">{placed.snapshot.name}</span>
              {placed.snapshot.id === tree.present && <span className="timeline-here">{t('timeline.here')}</span>}
            </ListBoxItem>
          )}
        </ListBox>
      </div>
    </div>
  );
}

function SnapshotPicture({ vm, snapshot, large = false }: { readonly vm: string; readonly snapshot: SnapshotInfo; readonly large?: boolean }) {
  const app = useApp();
  const { id, thumbnail } = snapshot;
  const source = useMemo(() => (thumbnail ? () => app.client.call('snapshot.thumbnail', { vm, snapshot: id }) : undefined), [app, vm, id, thumbnail]);
  return (
    <span className="timeline-picture" data-large={large || undefined} aria-hidden>
      <Picture key={id} source={source} fallback={<Camera />} />
    </span>
  );
}

/** The same points as a tree, for whoever reads rather than looks. */
function SnapshotTree({ tree, selected, onSelect, onGo }: ChoiceProps) {
  const t = useText();
  const childrenOf = (parent: string | null) => tree.snapshots.filter((one) => one.parent === parent).sort((a, b) => a.created - b.created);
  const item = (snapshot: SnapshotInfo) => (
    <TreeItem key={snapshot.id} id={snapshot.id} textValue={snapshot.name} className="timeline-branch">
      <TreeItemContent>
        {({ level }) => (
          <span className="timeline-row" style={{ paddingInlineStart: (level - 1) * 16 }}>
            <span>{snapshot.name}</span>
            <span className="timeline-when">{dateTime(snapshot.created)}</span>
            {snapshot.id === tree.present && <span className="timeline-here">{t('timeline.here')}</span>}
          </span>
        )}
      </TreeItemContent>
      <Collection items={childrenOf(snapshot.id)}>{item}</Collection>
    </TreeItem>
  );
  return (
    <Tree
      aria-label={t('timeline.tree')}
      className="timeline-tree"
      selectionMode="single"
      selectionBehavior="replace"
      disallowEmptySelection
      expandedKeys={tree.snapshots.map(({ id }) => id)}
      selectedKeys={selected === undefined ? [] : [selected]}
      onSelectionChange={(keys) => {
        const [key] = keys === 'all' ? [] : [...keys];
        if (key !== undefined) onSelect(String(key));
      }}
      onAction={onGo}
      items={childrenOf(null)}
    >
      {item}
    </Tree>
  );
}

/** One point: what it is, what it takes, and what can be done with it. */
function Detail({ vm, snapshot, present }: { readonly vm: VmSummary; readonly snapshot: SnapshotInfo; readonly present: boolean }) {
  const t = useText();
  const app = useApp();
  const [name, setName] = useState(snapshot.name);
  const run = (work: Promise<unknown>) => void work.catch((error: unknown) => app.reportError(error, vm));
  const rename = () => {
    const wanted = name.trim();
    if (wanted !== '' && wanted !== snapshot.name) run(app.client.call('snapshot.edit', { vm: vm.id, snapshot: snapshot.id, name: wanted }));
  };
  return (
    <section className="timeline-card" aria-label={snapshot.name}>
      <SnapshotPicture vm={vm.id} snapshot={snapshot} large />
      <div>
        <TextField label={t('timeline.name')} value={name} onChange={setName} onCommit={rename} />
        <dl>
          <dt>{t('timeline.taken')}</dt>
          <dd>{dateTime(snapshot.created)}</dd>
          <dt>{t('timeline.state')}</dt>
          <dd>{snapshot.guestTime === undefined ? t('timeline.off') : t('timeline.live', { time: clock(snapshot.guestTime) })}</dd>
          <dt>{t('timeline.size')}</dt>
          <dd>{bytes(snapshot.bytes)}</dd>
        </dl>
        <div className="actions">
          <Button kind="primary" icon={Undo2} onPress={() => run(act.goTo(app, vm, snapshot))}>
            {present ? t('timeline.goBack') : t('timeline.go')}
          </Button>
          <Button icon={GitFork} onPress={() => run(act.fork(app, vm, snapshot))}>
            {t('command.fork')}
          </Button>
          <Button
            icon={snapshot.pinned ? PinOff : Pin}
            onPress={() => run(app.client.call('snapshot.edit', { vm: vm.id, snapshot: snapshot.id, pinned: !snapshot.pinned }))}
          >
            {snapshot.pinned ? t('timeline.unpin') : t('timeline.pin')}
          </Button>
          <Button kind="danger" icon={Trash2} onPress={() => act.freeSnapshot(app, vm, snapshot)}>
            {t('timeline.free')}
          </Button>
        </div>
      </div>
    </section>
  );
}
