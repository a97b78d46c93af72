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
/// </summary>
public sealed class BackendCaseTests
{
    private static int count;

    [InteropFact("ip")]
    public void Every_packet_case_of_a_backend_ends_as_it_says()
    {
        using var bed = new Bed($"flbc{Environment.ProcessId}x{Interlocked.Increment(ref count)}");
        bed.AddHost("b15");
        foreach (string address in (string[])["192.0.2.15/32", "198.51.100.7/32"])
            bed.Ip("b15", "address", "add", address, "dev", "lo");
        foreach (string address in (string[])["2001:db8:f::15/128", "2001:db8:c::7/128"])
            bed.Ip("b15", "address", "add", address, "dev", "lo", "nodad");
        Dictionary<string, BpfObject> loaded =
            XdpProgram.Skeleton("backend").Load(new Dictionary<string, int>(), log: true);
        Fill(loaded);
        List<string> wrong = NetworkNamespace.Run(bed.NamespaceOf("b15"), () =>
        {
            using var over4 = new Connection("198.51.100.7", "192.0.2.15");
            using var over6 = new Connection("2001:db8:c::7", "2001:db8:f::15");
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
            return (verdict, after[..length]);
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
        foreach (byte peer in (byte[])[16, 17])
        {
            // struct fl_peer: mac_to, mac_from, device.
            byte[] way = [2, 0, 0, 0, 1, peer, 2, 0, 0, 0, 1, 15, 1, 0, 0, 0];
            loaded["peers"].Set(Key($"10.0.0.{peer}"), way);
            loaded["peers"].Set(Key($"2001:db8:1::{peer}"), way);
        }
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
            listener = new Socket(vip.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            listener.Bind(vip);
            listener.Listen(1);
            client = new Socket(vip.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            client.Bind(new IPEndPoint(IPAddress.Parse(from), 41000));
            client.Connect(vip);
            server = listener.Accept();
        }

        public void Dispose()
        {
            server.Dispose();
            client.Dispose();
            listener.Dispose();
        }
    }
}
