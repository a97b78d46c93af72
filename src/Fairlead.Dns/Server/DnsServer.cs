using System.Net;
using System.Net.Sockets;
using Fairlead.Dns.Answering;
using Fairlead.Net;
using Fairlead.Net.Linux;

namespace Fairlead.Dns.Server;

/// <summary>
/// The doors to the Answerer: UDP threads and one TCP thread. Who holds the snapshot publishes new tables; nothing
/// here stops or waits for that.
/// </summary>
public sealed class DnsServer(DnsServerOptions options, Snapshot<DnsTable> table, TimeProvider? time = null)
    : IAsyncDisposable
{
    private readonly TimeProvider time = time ?? TimeProvider.System;
    private readonly List<Thread> threads = [];
    private readonly List<UdpWorker> udp = [];
    private TcpWorker? tcp;
    private TlsServer? tls;
    private Tap? tap;
    private TaskCompletionSource? stopped;
    private int running;

    public DnsCounters Counters { get; } = new();

    /// <summary>What TLS shows its clients, and what is wrong with its files; null without TLS.</summary>
    public CertificateFiles? Certificate { get; private set; }

    /// <summary>Answers that the tap's collector did not take in time; whether it is there at all.</summary>
    public (long Dropped, bool IsConnected) TapState => (tap?.Dropped ?? 0, tap?.IsConnected ?? false);

    /// <summary>Completes when a thread has ended by a fault; the process should then end too.</summary>
    public Task<Exception> Failure => failure.Task;

    private readonly TaskCompletionSource<Exception> failure = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>
    /// Takes all addresses and starts. IOException, and nothing taken, when one cannot be had. Called once. Sockets
    /// belong to the network namespace of the calling thread.
    /// </summary>
    public void Start()
    {
        if (threads.Count > 0) throw new InvalidOperationException("the server is started");
        if (options.Problems().FirstOrDefault() is { } problem) throw new ArgumentException(problem);
        if (options.TapSocket is { } file) tap = new Tap(file, options.TapQueueBytes, time);
        var listeners = new List<Socket>();
        var tlsListeners = new List<Socket>();
        if (!options.ListenTls.IsDefaultOrEmpty)
        {
            Certificate = new CertificateFiles(options.TlsCertificateFile!, options.TlsKeyFile!, time);
            _ = Certificate.Take(); // A server that cannot speak TLS as told does not start.
        }

        try
        {
            foreach (IPEndPoint local in options.Listen) BindAll(local, listeners);
            foreach (IPEndPoint local in options.ListenTls)
            {
                binding = $"{local} (TLS)";
                tlsListeners.Add(Listen(local, blocking: true));
            }
        }
        catch (SocketException fault)
        {
            foreach (Socket listener in listeners.Concat(tlsListeners)) listener.Dispose();
            foreach (UdpWorker worker in udp) worker.Dispose();
            udp.Clear();
            throw new IOException($"cannot listen on {binding}: {Reason(fault.SocketErrorCode)}", fault);
        }

        tcp = new TcpWorker(listeners, options, table, NewGuard(isStream: true), time);
        stopped = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        foreach (UdpWorker worker in udp) AddThread("dns-udp", worker.Run);
        AddThread("dns-tcp", tcp.Run);
        running = threads.Count;
        foreach (Thread thread in threads) thread.Start();
        tap?.Run();
        if (Certificate is null) return;
        tls = new TlsServer(tlsListeners, options, OpenDoor(), Certificate, time);
        tls.Start();
    }

    /// <summary>Ends the threads and gives the addresses back, within some tenths of a second.</summary>
    public async ValueTask DisposeAsync()
    {
        if (tls is not null) await tls.DisposeAsync();
        Certificate?.Dispose();
        foreach (UdpWorker worker in udp) worker.Stop();
        tcp?.Stop();
        if (stopped is not null) await stopped.Task;
        foreach (UdpWorker worker in udp) worker.Dispose();
        tcp?.Dispose();
        if (tap is not null) await tap.DisposeAsync();
    }

    /// <summary>
    /// A door for a transport that this server does not carry itself, as HTTPS; any thread may use it.
    /// </summary>
    public AnswerDoor OpenDoor() => new(table, NewGuard(isStream: true), time);

    /// <summary>
    /// While something large is read or compiled beside it, the UDP threads go before it: an answer does not wait for
    /// its turn on the core. Any thread.
    /// </summary>
    public void Hurry(bool wanted)
    {
        foreach (UdpWorker worker in udp) worker.Hurry(wanted);
    }

    private string binding = "";

    private void BindAll(IPEndPoint local, List<Socket> listeners)
    {
        binding = $"{local} (TCP)";
        listeners.Add(Listen(local));
        binding = $"{local} (UDP)";
        // SO_REUSEPORT would let us share the port with another server of the same user, each with half the queries.
        // So the address is first taken alone.
        using (var alone = new Socket(local.AddressFamily, SocketType.Dgram, ProtocolType.Udp))
        {
            if (local.AddressFamily == AddressFamily.InterNetworkV6) alone.DualMode = false;
            alone.Bind(local);
        }

        for (int i = 0; i < options.UdpThreads; i++)
        {
            Socket socket = UdpBatch.Bind(local, UdpWorker.Wait, options.UdpKernelBufferBytes);
            udp.Add(new UdpWorker(socket, table, NewGuard(), time));
        }
    }

    private static Socket Listen(IPEndPoint local, bool blocking = false)
    {
        var socket = new Socket(local.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            if (local.AddressFamily == AddressFamily.InterNetworkV6) socket.DualMode = false;
            socket.Bind(local);
            socket.Listen(512);
            socket.Blocking = blocking;
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private AnswerGuard NewGuard(bool isStream = false) => new(Counters, Counters.AddThread(), new AnswerState
    {
        Cookies = options.Cookies,
        Cache = options.AnswerCacheSlots > 0 && !isStream ? new AnswerCache(options.AnswerCacheSlots) : null,
        KeepaliveTenths = (int)(options.TcpIdle.TotalMilliseconds / 100),
    }, options.RateLimit is null || isStream ? null : new RateLimiter(options.RateLimit, options.UdpThreads),
        options.Handler, tap?.AddQueue(), time);

    private void AddThread(string name, Action run) =>
        threads.Add(new Thread(() => RunToEnd(run)) { Name = name, IsBackground = true });

    private void RunToEnd(Action run)
    {
        try
        {
            run();
        }
        catch (Exception fault)
        {
            // A top loop: the thread is lost, and only the owner of the server can decide what that means.
            failure.TrySetResult(fault);
        }

        if (Interlocked.Decrement(ref running) == 0) stopped!.TrySetResult();
    }

    private static string Reason(SocketError error) => error switch
    {
        SocketError.AddressAlreadyInUse => "another program has this port (see ss -lnp)",
        SocketError.AccessDenied => "no right to a port below 1024 (needs CAP_NET_BIND_SERVICE)",
        SocketError.AddressNotAvailable => "this machine does not have the address",
        _ => error.ToString(),
    };
}
