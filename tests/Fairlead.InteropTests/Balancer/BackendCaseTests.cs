using System.Net;
using System.Net.Sockets;
using Fairlead.Balancer;
using Fairlead.Balancer.Programs;
using Fairlead.Lab.Topologies;
using Fairlead.Net.Linux;

namespace Fairlead.InteropTests.Balancer;

/// <summary>
/// Every case of tests/fixtures/balancer/backend/*.pkt, through the kernel's own run of the backend's program: on
/// b15, which is 10.0.0.15 and 2001:db8:1::15 and has the VIPs 192.0.2.15 and 2001:db8:f::15. The balancers are
/// 10.0.0.1 and 2001:db8:1::1, the other backends b16 and b17. It knows one connection: from port 41000 to port 80.
///
/// The VIPs that end in 20 ask for SYN cookies: on port 80 always, on port 81, where nobody listens, too, on ports 84
/// and 86 after the first SYN. There port 80 has a connection as well. Ways: clients by the gateway on eth0; those in
/// 203.0.113.0/26 by nobody, in 203.0.113.64/26 by a neighbour that nobody knows, in 203.0.113.128/26 by eth1, which
/// does not run the program. A cookie is said to be sequence number 0.
/// </summary>
public sealed class BackendCaseTests
{
    private static int count;

    [InteropFact("ip")]
    public void Every_packet_case_of_a_backend_ends_as_it_says()
    {
        using var bed = new Bed($"flbc{Environment.ProcessId}x{Interlocked.Increment(ref count)}");
        bed.AddHost("b15");
        foreach (string address in (string[])["192.0.2.15/32", "192.0.2.20/32", "198.51.100.7/32"])
            bed.Ip("b15", "address", "add", address, "dev", "lo");
        foreach (string address in (string[])["2001:db8:f::15/128", "2001:db8:f::20/128", "2001:db8:c::7/128"])
            bed.Ip("b15", "address", "add", address, "dev", "lo", "nodad");
        Lead(bed);
        Dictionary<string, BpfObject> loaded =
            XdpProgram.Skeleton("backend").Load(new Dictionary<string, int>(), log: true);
        Fill(loaded);
        List<string> wrong = NetworkNamespace.Run(bed.NamespaceOf("b15"), () =>
        {
            loaded["ways_out"].Set(BitConverter.GetBytes(Libc.InterfaceIndex("eth0")), [1, 0, 0, 0]);
            using var over4 = new Connection("198.51.100.7", "192.0.2.15");
            using var over6 = new Connection("2001:db8:c::7", "2001:db8:f::15");
            using var cookies4 = new Connection("198.51.100.7", "192.0.2.20");
            using var cookies6 = new Connection("2001:db8:c::7", "2001:db8:f::20");
            using Socket after4 = Connection.Listen("192.0.2.20", 84), after6 = Connection.Listen("2001:db8:f::20", 86);
            return Wrong(loaded);
        });
        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
        foreach (BpfObject one in loaded.Values) one.Dispose();
    }

    [Fact]
    public void Every_reason_of_a_backend_has_a_case() => Assert.Equal(
        Enum.GetNames<BackendReason>().Order(StringComparer.Ordinal),
        Cases().SelectMany(one => one.Steps).Select(step => step.Reason).Distinct().Order(StringComparer.Ordinal));

    private static List<string> Wrong(Dictionary<string, BpfObject> loaded)
    {
        var wrong = new List<string>();
        foreach (PacketCase one in Cases())
        {
            if (one.FirstFault(Run, Counts, _ => 0) is { } fault) wrong.Add($"{one.Place}: {one.Sentence}\n{fault}");
        }

        return wrong;

        (uint, byte[]) Run(byte[] frame)
        {
            byte[] after = new byte[4096];
            uint verdict = loaded["program backend"].Run(frame, after, out int length);
            after = after[..length];
            // enum xdp_action: a SYN-ACK is the only TCP packet that is sent on, and not in a tunnel.
            bool isSynAck = verdict is 3 or 4 && after.Length is 58 or 78 && after[^11] == 0x12;
            return (verdict, isSynAck ? PacketText.WithSequence(after, 0) : after);
        }

        Dictionary<string, ulong> Counts() => Enum.GetValues<BackendReason>().ToDictionary(
            reason => $"{reason}",
            reason =>
            {
                ulong[] counts = new ulong[BpfPerCpu.Cpus];
                BpfPerCpu.Read<ulong>(loaded["here_counts"], (uint)reason, counts);
                return (ulong)counts.Sum(count => (long)count);
            });
    }

    private static void Fill(Dictionary<string, BpfObject> loaded)
    {
        foreach (string balancer in (string[])["10.0.0.1", "2001:db8:1::1"])
            loaded["balancers"].Set(Key(balancer), [1, 0, 0, 0]);
        foreach (string vip in (string[])["192.0.2.15", "2001:db8:f::15"])
            loaded["local_vips"].Set(Key(vip), [1, 0, 0, 0]);
        loaded["settings"].Set(new byte[4], [1, 0, 0, 0, 0, 0, 0, 0]);
        foreach ((ushort port, byte rate) in ((ushort, byte)[])[(80, 0), (81, 0), (84, 1), (86, 2)])
        {
            // struct fl_syn_rate: spent, interval; one that is spent with the first SYN.
            loaded["syn_rates"].Set([rate, 0, 0, 0],
                [.. new byte[8], .. BitConverter.GetBytes(rate == 0 ? 0L : 1_000_000_000_000)]);
            foreach (string vip in (string[])["192.0.2.20", "2001:db8:f::20"])
            {
                loaded["local_vips"].Set(Key(vip), [3, 0, 0, 0]);
                loaded["syn_places"].Set([.. Key(vip), 0, (byte)port, 0, 0, 0, 0, 0, 0], [rate, 0, 0, 0]);
            }
        }

        foreach (byte peer in (byte[])[16, 17])
        {
            // struct fl_peer: mac_to, mac_from, device.
            byte[] way = [2, 0, 0, 0, 1, peer, 2, 0, 0, 0, 1, 15, 1, 0, 0, 0];
            loaded["peers"].Set(Key($"10.0.0.{peer}"), way);
            loaded["peers"].Set(Key($"2001:db8:1::{peer}"), way);
        }
    }

    /// <summary>The ways to clients, and a kernel that makes cookies.</summary>
    private static void Lead(Bed bed)
    {
        bed.AddHost("gw");
        for (int i = 0; i < 2; i++)
        {
            bed.AddLink("b15", $"eth{i}", "gw", $"eth{i}");
            bed.Ip("b15", "link", "set", $"eth{i}", "address", "02:00:00:00:01:0f");
            bed.AddAddress("b15", $"eth{i}", $"10.0.{i}.15/24");
            bed.AddAddress("b15", $"eth{i}", $"2001:db8:{1 + i}::15/64");
            foreach (string gateway in (string[])[$"10.0.{i}.254", $"2001:db8:{1 + i}::fe"])
            {
                bed.Ip("b15", "neighbour", "add", gateway, "lladdr", "02:00:00:00:00:fe", "dev", $"eth{i}",
                    "nud", "permanent");
            }
        }

        foreach ((string to, string[] by) in ((string, string[])[])
        [
            ("default", ["via", "10.0.0.254"]), ("203.0.113.64/26", ["via", "10.0.0.253"]),
            ("203.0.113.128/26", ["via", "10.0.1.254"]), ("default", ["via", "2001:db8:1::fe"]),
            ("2001:db8:d:1::/64", ["via", "2001:db8:1::fd"]), ("2001:db8:d:2::/64", ["via", "2001:db8:2::fe"]),
        ])
            bed.Ip("b15", ["route", "add", to, .. by]);
        bed.Ip("b15", "route", "add", "unreachable", "203.0.113.0/26");
        bed.Ip("b15", "route", "add", "unreachable", "2001:db8:d::/64");
        foreach (string setting in (string[])
            ["net.ipv4.tcp_syncookies=2", "net.ipv4.conf.lo.forwarding=1", "net.ipv6.conf.lo.forwarding=1"])
            bed.Run("b15", "sysctl", "-q", "-w", setting);
    }

    private static byte[] Key(string address)
    {
        (ulong first, ulong second) = FlowHash.Halves(IPAddress.Parse(address));
        return [.. BitConverter.GetBytes(first), .. BitConverter.GetBytes(second)];
    }

    private static IEnumerable<PacketCase> Cases() => PacketCase.In(Fixture.PathOf("balancer/backend"));

    /// <summary>A connection between two addresses of this machine, from port 41000 to port 80.</summary>
    private sealed class Connection : IDisposable
    {
        private readonly Socket listener, client, server;

        public Connection(string from, string to)
        {
            var vip = new IPEndPoint(IPAddress.Parse(to), 80);
            listener = Listen(to, 80);
            client = new Socket(vip.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            client.Bind(new IPEndPoint(IPAddress.Parse(from), 41000));
            client.Connect(vip);
            server = listener.Accept();
        }

        public static Socket Listen(string address, int port)
        {
            var at = new IPEndPoint(IPAddress.Parse(address), port);
            var listener = new Socket(at.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            listener.Bind(at);
            listener.Listen(1);
            return listener;
        }

        public void Dispose()
        {
            server.Dispose();
            client.Dispose();
            listener.Dispose();
        }
    }
}
