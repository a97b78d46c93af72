using System.Net.Sockets;
using Fairlead.Dns.Answering;
using Fairlead.Net;
using Fairlead.Net.Linux;

namespace Fairlead.Dns.Server;

/// <summary>A thread with a socket of its own: takes a batch, answers each from one table, sends the batch.</summary>
internal sealed class UdpWorker(Socket socket, Snapshot<DnsTable> table, AnswerGuard guard) : IDisposable
{
    private const int BatchSize = 64;

    // Queries are some hundred bytes at most; a longer one arrives cut, and is then a FORMERR.
    private const int BufferBytes = 4096;

    /// <summary>How long a receive waits, and so how long a stop may take.</summary>
    public static readonly TimeSpan Wait = TimeSpan.FromMilliseconds(100);

    private volatile bool stopping;

    public void Run()
    {
        using var batch = new UdpBatch(BatchSize, BufferBytes);
        int fd = (int)socket.Handle;
        while (!stopping)
        {
            int count = batch.Receive(fd);
            DnsTable current = table.Current;
            for (int i = 0; i < count; i++)
            {
                int length =
                    guard.Answer(current, batch.Datagram(i), batch.Source(i), isStream: false, batch.ReplyBuffer(i));
                if (length > 0) batch.Reply(i, length);
            }

            int lost = count > 0 ? batch.Send(fd) : 0;
            if (lost > 0) guard.Counters.Add(DnsCounter.SendLost, lost);
        }
    }

    public void Stop() => stopping = true;

    public void Dispose() => socket.Dispose();
}
