using System.Net.Sockets;
using Fairlead.Dns.Answering;
using Fairlead.Net;
using Fairlead.Net.Linux;

namespace Fairlead.Dns.Server;

/// <summary>A thread with a socket of its own: takes a batch, answers each from one table, sends the batch.</summary>
internal sealed class UdpWorker(Socket socket, Snapshot<DnsTable> table, AnswerGuard guard, TimeProvider time)
    : IDisposable
{
    private const int BatchSize = 64;

    // What fits one packet: a longer query arrives cut, and is then a FORMERR. Not a power of two: buffers that lie
    // 4096 bytes apart share the same few lines of a processor's cache, and push each other out of it.
    private const int BufferBytes = 1472;

    /// <summary>How long a receive waits, and so how long a stop may take.</summary>
    public static readonly TimeSpan Wait = TimeSpan.FromMilliseconds(100);

    private volatile bool stopping;

    private volatile bool hurry;

    public void Run()
    {
        using var batch = new UdpBatch(BatchSize, BufferBytes);
        int fd = (int)socket.Handle;
        long start = time.GetTimestamp();
        var gathering = default(Gathering);
        var precedence = default(Precedence);
        bool runsFirst = false;
        ShortPause.MakeExact();
        _ = UrgentThread.PreferCurrent();
        while (!stopping)
        {
            if (runsFirst != (hurry && precedence.IsAllowed)) _ = UrgentThread.RunFirst(runsFirst = !runsFirst);
            int count = batch.Receive(fd);
            if (count == 0) continue;
            long received = time.GetTimestamp();
            TimeSpan now = time.GetElapsedTime(start, received);
            guard.At(time.GetUtcNow(), now);
            DnsTable current = table.Current;
            for (int i = 0; i < count; i++) guard.Expect(batch.Datagram(i));
            int answers = 0;
            for (int i = 0; i < count; i++)
            {
                var asker = new Asker(batch.Source(i), Transport.Udp, batch.SourcePort(i));
                int length = guard.Answer(current, batch.Datagram(i), asker, batch.ReplyBuffer(i));
                if (length == 0) continue;
                batch.Reply(i, length);
                answers++;
            }

            int lost = batch.Send(fd);
            if (lost > 0) guard.Counters.Add(DnsCounter.SendLost, lost);
            // Each of a batch waits for the last of it.
            TimeSpan busy = time.GetElapsedTime(received);
            guard.Counters.Latency.Add(busy.Ticks * 100, answers);
            precedence.After(busy, now);
            if (gathering.After(count, now)) ShortPause.For(Gathering.Pause);
        }
    }

    public void Stop() => stopping = true;

    /// <summary>Whether it is to run before ordinary threads, as far as <see cref="Precedence"/> allows.</summary>
    public void Hurry(bool wanted) => hurry = wanted;

    public void Dispose() => socket.Dispose();
}
