using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using Fairlead.Dns.Wire;

namespace Fairlead.Bench.PlanChange;

/// <summary>
/// Clients with a socket each, enough that every thread of the server has some: the kernel spreads them by their ports.
/// </summary>
internal sealed class Askers : IDisposable
{
    private readonly Socket[] sockets;
    private readonly byte[][] last;
    private readonly byte[] query;
    private readonly byte[] response = new byte[1500];

    public Askers(int count, IPEndPoint server, DnsName name, bool dnssec)
    {
        query =
        [
            0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, .. name.Wire, 0, 28, 0, 1,
            0, 0, 41, 4, 208, 0, 0, (byte)(dnssec ? 0x80 : 0), 0, 0, 0,
        ];
        sockets = new Socket[count];
        last = new byte[count][];
        for (int i = 0; i < count; i++)
        {
            sockets[i] = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
            sockets[i].ReceiveTimeout = 2000;
            sockets[i].Connect(server);
            last[i] = Ask(i);
        }
    }

    /// <summary>Asks each in a tight loop until its answer is another one than before.</summary>
    public void WaitForChange()
    {
        for (int i = 0; i < sockets.Length; i++)
        {
            byte[] now;
            do now = Ask(i);
            while (now.AsSpan().SequenceEqual(last[i]));
            last[i] = now;
        }
    }

    public void Dispose()
    {
        foreach (Socket socket in sockets) socket.Dispose();
    }

    /// <summary>The first record's data: an address.</summary>
    private byte[] Ask(int i)
    {
        sockets[i].Send(query);
        int length = sockets[i].Receive(response);
        if (length < 12 || BinaryPrimitives.ReadUInt16BigEndian(response.AsSpan(6)) == 0)
            throw new InvalidDataException("the answer has no record");
        int record = query.Length - 11; // Where the OPT stands in the query: behind the question.
        return response.AsSpan(record + 12, 16).ToArray();
    }
}
