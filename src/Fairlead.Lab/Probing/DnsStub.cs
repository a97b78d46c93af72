using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Fairlead.Lab.Probing;

/// <summary>
/// As much of a stub resolver as a probe needs: one AAAA question over UDP, the first address and its TTL. The lab
/// looks at the product from outside, so it does not use the product's codec.
/// </summary>
internal static class DnsStub
{
    private const ushort TypeAaaa = 28;

    /// <summary>The first AAAA of the answer, through its CNAMEs; null: no answer in time, or no address.</summary>
    public static (IPAddress Address, uint Ttl)? Ask(IPAddress server, string name, TimeSpan within)
    {
        using var socket = new Socket(server.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
        socket.ReceiveTimeout = (int)within.TotalMilliseconds;
        try
        {
            socket.Connect(server, 53);
            byte[] query = Query(name);
            socket.Send(query);
            var answer = new byte[1500];
            int length = socket.Receive(answer);
            return Read(query, answer.AsSpan(0, length));
        }
        catch (SocketException)
        {
            return null;
        }
    }

    private static byte[] Query(string name)
    {
        var query = new List<byte> { 0x4c, 0x42, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0 };
        foreach (string label in name.TrimEnd('.').Split('.'))
        {
            query.Add((byte)label.Length);
            query.AddRange(Encoding.ASCII.GetBytes(label));
        }

        query.AddRange([0, 0, (byte)TypeAaaa, 0, 1]);
        return [.. query];
    }

    private static (IPAddress, uint)? Read(ReadOnlySpan<byte> query, ReadOnlySpan<byte> answer)
    {
        bool ours = answer.Length >= query.Length && answer[0] == query[0] && answer[1] == query[1];
        if (!ours || (answer[3] & 15) != 0) return null;
        int at = query.Length;
        for (int records = BinaryPrimitives.ReadUInt16BigEndian(answer[6..]); records > 0; records--)
        {
            while (at < answer.Length && answer[at] is > 0 and < 0xc0) at += answer[at] + 1;
            at += at < answer.Length && answer[at] >= 0xc0 ? 2 : 1;
            if (at + 10 > answer.Length) return null;
            ushort type = BinaryPrimitives.ReadUInt16BigEndian(answer[at..]);
            uint ttl = BinaryPrimitives.ReadUInt32BigEndian(answer[(at + 4)..]);
            int length = BinaryPrimitives.ReadUInt16BigEndian(answer[(at + 8)..]);
            at += 10;
            if (at + length > answer.Length) return null;
            if (type == TypeAaaa && length == 16) return (new IPAddress(answer.Slice(at, 16)), ttl);
            at += length;
        }

        return null;
    }
}
