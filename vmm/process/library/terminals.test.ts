import { parseConfig } from '../../protocol/config.ts';
import { sshArguments, sshTarget } from './terminals.node.ts';

const config = (forwards: object[]) => parseConfig({ id: '6f1d0a52-6a5e-4c7b-9f5e-0d0c5f3f8a11', name: 'Debian', nics: [{ forwards }] });

it('reaches the guest through the forward to its SSH port', () => {
  expect(
    sshTarget(
      config([
        { hostPort: 8080, guestPort: 80 },
        { hostPort: 2222, guestPort: 22 },
      ]),
    ),
  ).toEqual({ host: '127.0.0.1', port: 2222 });
  expect(sshTarget(config([{ hostPort: 2222, guestPort: 22, hostAddress: '0.0.0.0' }]))).toEqual({ host: '127.0.0.1', port: 2222 });
  expect(() => sshTarget(config([{ protocol: 'udp', hostPort: 2222, guestPort: 22 }]))).toThrow(
    /no port of this computer leads to port 22 of Debian/,
  );
});

it('gives ssh nothing that could be an option', () => {
  const args = sshArguments({ host: '127.0.0.1', port: 2222 }, 'root');
  expect(args.slice(-4)).toEqual(['-l', 'root', '--', '127.0.0.1']);
  expect(args.slice(0, 2)).toEqual(['-e', 'none']);
});
