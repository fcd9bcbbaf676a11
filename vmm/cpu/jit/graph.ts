/**
 * The control flow of a region put into the order and nesting that WebAssembly wants (N. Ramsey, "Beyond Relooper", ICFP 2022): blocks in reverse
 * postorder, the dominator tree, loop headers. An edge back to a block that does not dominate its source (irreducible flow) is cut: it leaves the region.
 */
export interface FlowNode {
  /** The one that follows comes last, so that it is next in the order. */
  readonly successors: readonly number[];
}

export interface FlowGraph {
  /** Reachable nodes in reverse postorder; the first is the entry. */
  readonly order: readonly number[];
  /** Position in `order`, -1 if not reachable. */
  readonly position: readonly number[];
  /** Nodes that a node dominates immediately and that several forward edges reach, in reverse postorder. */
  readonly merges: readonly (readonly number[])[];
  readonly isMerge: readonly boolean[];
  readonly isLoop: readonly boolean[];
  /** Whether the edge is one of the region's: false for those cut. */
  kind(from: number, to: number): 'forward' | 'back' | 'outside';
}

export function analyseFlow(nodes: readonly FlowNode[]): FlowGraph {
  const order = reversePostorder(nodes);
  const position = new Array<number>(nodes.length).fill(-1);
  order.forEach((node, i) => (position[node] = i));
  const dominator = dominators(nodes, order, position);
  const dominates = (a: number, b: number): boolean => {
    let at = position[b]!;
    while (at > position[a]!) at = dominator[at]!;
    return at === position[a];
  };
  const kind: FlowGraph['kind'] = (from, to) => {
    if (to < 0) return 'outside';
    if (position[to]! > position[from]!) return 'forward';
    return dominates(to, from) ? 'back' : 'outside';
  };
  const entering = new Array<number>(nodes.length).fill(0);
  const isLoop = new Array<boolean>(nodes.length).fill(false);
  for (const node of order) {
    for (const target of nodes[node]!.successors) {
      const edge = kind(node, target);
      if (edge === 'forward') entering[target]!++;
      else if (edge === 'back') isLoop[target] = true;
    }
  }
  const isMerge = entering.map((count) => count > 1);
  const merges = nodes.map((): number[] => []);
  for (const node of order.slice(1)) if (isMerge[node]) merges[order[dominator[position[node]!]!]!]!.push(node);
  return { order, position, merges, isMerge, isLoop, kind };
}

function reversePostorder(nodes: readonly FlowNode[]): number[] {
  const seen = new Set<number>([0]);
  const postorder: number[] = [];
  const stack: { readonly node: number; step: number }[] = [{ node: 0, step: 0 }];
  while (stack.length > 0) {
    const top = stack[stack.length - 1]!;
    const target = nodes[top.node]!.successors[top.step++];
    if (target === undefined) {
      postorder.push(top.node);
      stack.pop();
    } else if (!seen.has(target)) {
      seen.add(target);
      stack.push({ node: target, step: 0 });
    }
  }
  return postorder.reverse();
}

/** Immediate dominators by position in the order (K. Cooper, T. Harvey, K. Kennedy, "A Simple, Fast Dominance Algorithm"). */
function dominators(nodes: readonly FlowNode[], order: readonly number[], position: readonly number[]): number[] {
  const before = order.map((): number[] => []);
  order.forEach((node, i) => {
    for (const target of nodes[node]!.successors) before[position[target]!]!.push(i);
  });
  const result = new Array<number>(order.length).fill(-1);
  result[0] = 0;
  const meet = (first: number, second: number): number => {
    let [a, b] = [first, second];
    while (a !== b) {
      if (a > b) a = result[a]!;
      else b = result[b]!;
    }
    return a;
  };
  for (let changed = true; changed;) {
    changed = false;
    for (let i = 1; i < order.length; i++) {
      let found = -1;
      for (const from of before[i]!) if (result[from] !== -1) found = found === -1 ? from : meet(found, from);
      if (found === result[i]) continue;
      result[i] = found;
      changed = true;
    }
  }
  return result;
}
