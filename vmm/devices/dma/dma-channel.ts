/** What became of a transfer: how many bytes moved, and whether the last of them was the block's last (TC). */
export interface DmaTransfer {
  readonly count: number;
  readonly terminal: boolean;
}

/**
 * A device's side of one channel of the ISA DMA controller: DREQ, DACK and TC. A device raises its request, and while the channel is `ready` moves
 * as many bytes as it has; both may end a transfer early, the controller by masking the channel, the device by dropping its request.
 */
export interface DmaChannel {
  /** 1, or 2 on the 16-bit channels: buffers are then of even length. */
  readonly width: 1 | 2;
  /** DREQ. */
  request(level: boolean): void;
  /** The guest has programmed and unmasked the channel. */
  readonly ready: boolean;
  /** Called when the channel becomes ready while DREQ is high. Set by the device. */
  onReady: () => void;
  /** Device to memory ("write" transfer). Nothing moves unless `ready`; at the end of a block the rest of `from` is left. */
  send(from: Uint8Array): DmaTransfer;
  /** Memory to device ("read" transfer): fills `into` from the start. */
  receive(into: Uint8Array): DmaTransfer;
}
