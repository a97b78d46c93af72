using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using Fairlead.Net.Linux;

namespace Fairlead.InteropTests.Balancer;

/// <summary>
/// SYNs from addresses that nobody has (198.18.0.0/15), as fast as they are taken: a flood that overflows a veth's
/// queue loses packets of everybody, which no program can help.
/// </summary>
internal static class SynFlood
{
    private const int Burst = 64;

    /// <summary>
    /// From a namespace: so many to port 80 of the VIP. Every one is another client. Each burst waits until so many
    /// more have arrived.
    /// </summary>
    public static Task SendAsync(
        string from, string vip, int number, Func<ulong> arrived) => Task.Run(() => NetworkNamespace.Run(from, () =>
    {
        ulong before = arrived();
        var to = new IPEndPoint(IPAddress.Parse(vip), 80);
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Raw, ProtocolType.Raw);
        socket.SetSocketOption(SocketOptionLevel.IP, SocketOptionName.HeaderIncluded, true);
        SocketAddress address = new IPEndPoint(to.Address, 0).Serialize();
        byte[] packet = PacketText.Build($"ip4 198.18.0.0>{vip} df / tcp 1024>80 syn mss=1460");
        // Without the source's second half and the port: what those add to the checksum is put in for each.
        int sum = BinaryPrimitives.ReadUInt16BigEndian(packet.AsSpan(36)) + 1024;
        for (int i = 1; i <= number; i++)
        {
            BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(14), (ushort)i);
            BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(20), (ushort)(1024 + (i >> 16)));
            int check = sum + (ushort)~i + (ushort)~(1024 + (i >> 16));
            check = (check & 0xffff) + (check >> 16);
            check = (check & 0xffff) + (check >> 16);
            BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(36), (ushort)check);
            socket.SendTo(packet, SocketFlags.None, address);
            if (i % Burst != 0) continue;
            // One that was lost all the same holds this up once, and no longer.
            SpinWait.SpinUntil(() => arrived() - before >= Burst, TimeSpan.FromSeconds(1));
            before = arrived();
        }

        return number;
    }));

    /// <summary>A counter of TcpExt, as nstat knows it.</summary>
    public static long Counter(XdpBed bed, string host, string name) => bed.In(host, () =>
    {
        string[][] lines = [.. File.ReadLines("/proc/thread-self/net/netstat").Select(line => line.Split(' '))];
        int at = Array.IndexOf(lines[0], name);
        Assert.True(at > 0, $"the kernel does not count {name}");
        return long.Parse(lines[1][at], System.Globalization.CultureInfo.InvariantCulture);
    });
}
