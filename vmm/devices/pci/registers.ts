/** Configuration space header, type 0 (PCI Local Bus Specification 2.1, 6.1). */
export const PCI_VENDOR_ID = 0x00;
export const PCI_DEVICE_ID = 0x02;
export const PCI_COMMAND = 0x04;
export const PCI_STATUS = 0x06;
export const PCI_REVISION_ID = 0x08;
export const PCI_CLASS_CODE = 0x09; // 3 bytes: programming interface, subclass, base class
export const PCI_CACHE_LINE_SIZE = 0x0c;
export const PCI_LATENCY_TIMER = 0x0d;
export const PCI_HEADER_TYPE = 0x0e;
export const PCI_BASE_ADDRESS_0 = 0x10; // six of 4 bytes
export const PCI_SUBSYSTEM_VENDOR_ID = 0x2c;
export const PCI_SUBSYSTEM_ID = 0x2e;
export const PCI_ROM_ADDRESS = 0x30;
export const PCI_CAPABILITIES_POINTER = 0x34;
export const PCI_INTERRUPT_LINE = 0x3c;
export const PCI_INTERRUPT_PIN = 0x3d;

export const COMMAND_IO = 0x0001;
export const COMMAND_MEMORY = 0x0002;
export const COMMAND_MASTER = 0x0004;
export const COMMAND_PARITY = 0x0040;
export const COMMAND_SERR = 0x0100;
export const COMMAND_INTX_DISABLE = 0x0400; // PCI 2.3

export const STATUS_INTERRUPT = 0x0008; // PCI 2.3
export const STATUS_CAPABILITIES = 0x0010;
export const STATUS_FAST_BACK_TO_BACK = 0x0080;
export const STATUS_DEVSEL_MEDIUM = 0x0200;
/** Master data parity error, target and master aborts, system error, parity error: written as 1 to clear. */
export const STATUS_ERRORS = 0xf900;

export const HEADER_MULTIFUNCTION = 0x80;

export const BAR_IO = 0x1;
export const BAR_PREFETCHABLE = 0x8;
export const ROM_ENABLE = 0x1;

export const CONFIG_SIZE = 256;
