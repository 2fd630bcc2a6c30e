// A Channel Access client in Java (JCA with its pure Java context), for test_java_client.py.
//
// java -cp 'FOLDER/*' -D... ReadNames.java SECONDS < NAMES
//
// Searches for all names at once, and prints a line for each: NAME, its native type, the number of its elements and its
// value as text, separated by tabs; or the NAME alone if nobody answers.

import gov.aps.jca.CAStatus;
import gov.aps.jca.Channel;
import gov.aps.jca.Context;
import gov.aps.jca.JCALibrary;
import gov.aps.jca.dbr.DBRType;
import gov.aps.jca.dbr.STRING;
import gov.aps.jca.event.GetEvent;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

public class ReadNames {
    public static void main(String[] arguments) throws Exception {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(Long.parseLong(arguments[0]));
        List<String> names = new ArrayList<>();
        try (BufferedReader input = new BufferedReader(new InputStreamReader(System.in))) {
            input.lines().forEach(names::add);
        }
        Context context = JCALibrary.getInstance().createContext(JCALibrary.CHANNEL_ACCESS_JAVA);
        Map<String, Channel> channels = new LinkedHashMap<>();
        Map<String, CompletableFuture<Void>> connected = new LinkedHashMap<>();
        for (String name : names) {
            CompletableFuture<Void> done = new CompletableFuture<>();
            connected.put(name, done);
            channels.put(name, context.createChannel(name, event -> {
                if (event.isConnected()) {
                    done.complete(null);
                }
            }));
        }
        context.flushIO();
        for (String name : names) {
            try {
                connected.get(name).get(Math.max(1, end - System.nanoTime()), TimeUnit.NANOSECONDS);
                Channel channel = channels.get(name);
                System.out.println(String.join("\t", name, channel.getFieldType().getName(),
                        Integer.toString(channel.getElementCount()), text(context, channel)));
            } catch (TimeoutException nobody) {
                System.out.println(name);
            }
        }
        context.destroy();
    }

    private static String text(Context context, Channel channel) throws Exception {
        CompletableFuture<GetEvent> answer = new CompletableFuture<>();
        channel.get(DBRType.STRING, 1, answer::complete);
        context.flushIO();
        GetEvent event = answer.get(10, TimeUnit.SECONDS);
        return event.getStatus() == CAStatus.NORMAL ? ((STRING) event.getDBR()).getStringValue()[0]
                : event.getStatus().getMessage();
    }
}
